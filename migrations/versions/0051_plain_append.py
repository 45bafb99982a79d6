"""Append events that change only the log in one statement, and count limits in one."""

from migrations.scripts import run

revision = "0051"
down_revision = "0049"


def upgrade() -> None:
    run("0051_plain_append.sql")


def downgrade() -> None:
    run("0051_plain_append.down.sql")
