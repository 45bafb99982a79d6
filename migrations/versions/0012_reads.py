"""What lists and insights are read by: indexes, and the current score beside its facts."""

from migrations.scripts import run

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run("0012_reads.sql")


def downgrade() -> None:
    run("0012_reads.down.sql")
