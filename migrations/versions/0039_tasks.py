"""Add tasks, and columns for the steps of workflows."""

from migrations.scripts import run

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    run("0039_tasks.sql")


def downgrade() -> None:
    run("0039_tasks.down.sql")
