"""Add the projection response_times, and indexes for the statistics of a widget."""

from migrations.scripts import run

revision = "0062"
down_revision = "0061"


def upgrade() -> None:
    run("0062_response_times.sql")


def downgrade() -> None:
    run("0062_response_times.down.sql")
