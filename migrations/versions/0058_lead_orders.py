"""Add indexes for each order of the list of leads."""

from migrations.scripts import run

revision = "0058"
down_revision = "0057"


def upgrade() -> None:
    run("0058_lead_orders.sql")


def downgrade() -> None:
    run("0058_lead_orders.down.sql")
