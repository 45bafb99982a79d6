"""The rest of the plan's ten tables."""

from migrations.scripts import run

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run("0006_plan.sql")


def downgrade() -> None:
    run("0006_plan.down.sql")
