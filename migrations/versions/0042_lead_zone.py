"""Add the time zone of a lead."""

from migrations.scripts import run

revision = "0042"
down_revision = "0041"


def upgrade() -> None:
    run("0042_lead_zone.sql")


def downgrade() -> None:
    run("0042_lead_zone.down.sql")
