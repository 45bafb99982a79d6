"""The log, its order and its claims."""

from migrations.scripts import run

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run("0002_log.sql")


def downgrade() -> None:
    run("0002_log.down.sql")
