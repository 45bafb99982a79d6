"""Replace visitor ids by a keyed hash, and show anonymous sessions to their owner only."""

from migrations.scripts import run

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    run("0029_visitor_hashes.sql")


def downgrade() -> None:
    run("0029_visitor_hashes.down.sql")
