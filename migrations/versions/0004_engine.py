"""Checkpoints and parked events."""

from migrations.scripts import run

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run("0004_engine.sql")


def downgrade() -> None:
    run("0004_engine.down.sql")
