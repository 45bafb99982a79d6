"""Lock rows of a table instead of advisory locks, which every role may take."""

from migrations.scripts import run

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    run("0023_lock_rows.sql")


def downgrade() -> None:
    run("0023_lock_rows.down.sql")
