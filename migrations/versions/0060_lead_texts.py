"""Add the table of the texts by which leads are searched."""

from migrations.scripts import run

revision = "0060"
down_revision = "0059"


def upgrade() -> None:
    run("0060_lead_texts.sql")


def downgrade() -> None:
    run("0060_lead_texts.down.sql")
