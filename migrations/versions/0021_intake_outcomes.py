"""Create the table of intake outcomes, and let pending records wait for their turn."""

from migrations.scripts import run

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    run("0021_intake_outcomes.sql")


def downgrade() -> None:
    run("0021_intake_outcomes.down.sql")
