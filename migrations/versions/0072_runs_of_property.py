"""Index the runs of a property."""

from migrations.scripts import run

revision = "0072"
down_revision = "0071"


def upgrade() -> None:
    run("0072_runs_of_property.sql")


def downgrade() -> None:
    run("0072_runs_of_property.down.sql")
