"""Merging leads: pointers, the score of a pair, and claims that move."""

from migrations.scripts import run

revision = "0012"
down_revision = "0007"


def upgrade() -> None:
    run("0012_merge.sql")


def downgrade() -> None:
    run("0012_merge.down.sql")
