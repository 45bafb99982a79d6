"""Add the timers of runs, tours and deliveries."""

from migrations.scripts import run

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    run("0034_timers.sql")


def downgrade() -> None:
    run("0034_timers.down.sql")
