"""Add the failures of policies, and the position with which a log generation begins."""

from migrations.scripts import run

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    run("0036_policies.sql")


def downgrade() -> None:
    run("0036_policies.down.sql")
