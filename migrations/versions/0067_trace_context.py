"""Store the trace of each event in the log."""

from migrations.scripts import run

revision = "0067"
down_revision = "0069"


def upgrade() -> None:
    run("0067_trace_context.sql")


def downgrade() -> None:
    run("0067_trace_context.down.sql")
