"""Add the table of the projection deliveries."""

from migrations.scripts import run

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    run("0038_deliveries.sql")


def downgrade() -> None:
    run("0038_deliveries.down.sql")
