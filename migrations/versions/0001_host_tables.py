"""Tables the host platform may already have."""

from migrations.scripts import run

revision = "0001"
down_revision = None


def upgrade() -> None:
    run("0001_host.sql")


def downgrade() -> None:
    run("0001_host.down.sql")
