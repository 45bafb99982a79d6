"""Keys that encrypt consistency tokens."""

from migrations.scripts import run

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    run("0033_token_keys.sql")


def downgrade() -> None:
    run("0033_token_keys.down.sql")
