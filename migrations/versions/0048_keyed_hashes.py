"""Index the hashes of personal texts that have no key yet."""

from migrations.scripts import run

revision = "0048"
down_revision = "0047"


def upgrade() -> None:
    run("0048_keyed_hashes.sql")


def downgrade() -> None:
    run("0048_keyed_hashes.down.sql")
