"""Append plain events from JSON, and compare streams with their newest event."""

from migrations.scripts import run

revision = "0059"
down_revision = "0058"


def upgrade() -> None:
    run("0059_append_events_as_json.sql")


def downgrade() -> None:
    run("0059_append_events_as_json.down.sql")
