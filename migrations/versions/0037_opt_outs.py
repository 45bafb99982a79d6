"""Keys of unsubscribe links, the source of consents, and indexes of contacts."""

from migrations.scripts import run

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    run("0037_opt_outs.sql")


def downgrade() -> None:
    run("0037_opt_outs.down.sql")
