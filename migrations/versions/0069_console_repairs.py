"""Let operators replace dead letters, and cancel requests."""

from migrations.scripts import run

revision = "0069"
down_revision = "0068"


def upgrade() -> None:
    run("0069_console_repairs.sql")


def downgrade() -> None:
    run("0069_console_repairs.down.sql")
