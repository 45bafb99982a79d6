"""What lists and insights are read by: indexes, and the current score beside its facts."""

from migrations.scripts import run

revision = "0009"
down_revision = "0007"


def upgrade() -> None:
    run("0009_reads.sql")


def downgrade() -> None:
    run("0009_reads.down.sql")
