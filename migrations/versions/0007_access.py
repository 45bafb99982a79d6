"""Who may read what: roles, row level security, and what direct writes are told."""

from migrations.scripts import run

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run("0007_access.sql")


def downgrade() -> None:
    run("0007_access.down.sql")
