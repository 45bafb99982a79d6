"""A message id is one message of the whole log, the host's own included."""

from migrations.scripts import run

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run("0016_messages.sql")


def downgrade() -> None:
    run("0016_messages.down.sql")
