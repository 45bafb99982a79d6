"""Counters that limit rates, and whose hash and which version a widget's configuration has."""

from migrations.scripts import run

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run("0010_limits.sql")


def downgrade() -> None:
    run("0010_limits.down.sql")
