"""Add the table of secret keys, with one random key for each purpose."""

from migrations.scripts import run

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    run("0018_secret_keys.sql")


def downgrade() -> None:
    run("0018_secret_keys.down.sql")
