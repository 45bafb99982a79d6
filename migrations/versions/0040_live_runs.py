"""Add the table of the runs that have not ended, which appends keep."""

from migrations.scripts import run

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    run("0040_live_runs.sql")


def downgrade() -> None:
    run("0040_live_runs.down.sql")
