"""Chats are found by session and by time, and their messages have an order."""

from migrations.scripts import run

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run("0013_chat.sql")


def downgrade() -> None:
    run("0013_chat.down.sql")
