"""Clients cannot change the organisation and the role of a profile."""

from migrations.scripts import run

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    run("0019_membership.sql")


def downgrade() -> None:
    run("0019_membership.down.sql")
