"""Announce changes of roles and of widget keys to the API processes, which remember them."""

from migrations.scripts import run

revision = "0052"
down_revision = "0051"


def upgrade() -> None:
    run("0052_access_changes.sql")


def downgrade() -> None:
    run("0052_access_changes.down.sql")
