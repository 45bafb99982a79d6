"""Merging leads: pointers, the score of a pair, and claims that move."""

from migrations.scripts import run

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run("0009_merge.sql")


def downgrade() -> None:
    run("0009_merge.down.sql")
