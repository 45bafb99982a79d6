"""Let old accounts of reads expire, and keep those of the last year."""

from migrations.scripts import run

revision = "0057"
down_revision = "0053"


def upgrade() -> None:
    run("0057_retention_of_reads.sql")


def downgrade() -> None:
    run("0057_retention_of_reads.down.sql")
