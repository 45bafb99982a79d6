"""Create the table of what operators see of the last hours, and let requests expire."""

from migrations.scripts import run

revision = "0068"
down_revision = "0066"


def upgrade() -> None:
    run("0068_pipeline_samples.sql")


def downgrade() -> None:
    run("0068_pipeline_samples.down.sql")
