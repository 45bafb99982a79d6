"""Add the indexes that the rules of sending need, and the stop switch."""

from migrations.scripts import run

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    run("0035_sending.sql")


def downgrade() -> None:
    run("0035_sending.down.sql")
