"""The derived tables of the plan that the spine fills."""

from migrations.scripts import run

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run("0003_tables.sql")


def downgrade() -> None:
    run("0003_tables.down.sql")
