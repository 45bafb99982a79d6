"""Slots for tours: the table of them, and when slots and agents are taken."""

from migrations.scripts import run

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run("0008_slots.sql")


def downgrade() -> None:
    run("0008_slots.down.sql")
