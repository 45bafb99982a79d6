"""Add API keys of services, the events that they open, and the accounts of their reads."""

from migrations.scripts import run

revision = "0049"
down_revision = "0048"


def upgrade() -> None:
    run("0049_api_keys.sql")


def downgrade() -> None:
    run("0049_api_keys.down.sql")
