"""Consents with their evidence, so that they can be read and their retention applied."""

from migrations.scripts import run

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    run("0014_consents.sql")


def downgrade() -> None:
    run("0014_consents.down.sql")
