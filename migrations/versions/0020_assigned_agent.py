"""Add the agent who is responsible for a lead."""

from migrations.scripts import run

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    run("0020_assigned_agent.sql")


def downgrade() -> None:
    run("0020_assigned_agent.down.sql")
