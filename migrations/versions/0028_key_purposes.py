"""Add secret keys for rate limits and for widget keys."""

from migrations.scripts import run

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    run("0028_key_purposes.sql")


def downgrade() -> None:
    run("0028_key_purposes.down.sql")
