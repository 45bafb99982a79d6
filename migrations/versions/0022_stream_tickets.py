"""Create the table of stream tickets."""

from migrations.scripts import run

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    run("0022_stream_tickets.sql")


def downgrade() -> None:
    run("0022_stream_tickets.down.sql")
