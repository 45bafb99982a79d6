"""Add the table of client ids that are stored under another id."""

from migrations.scripts import run

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    run("0026_client_ids.sql")


def downgrade() -> None:
    run("0026_client_ids.down.sql")
