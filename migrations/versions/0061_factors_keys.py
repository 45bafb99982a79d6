"""Add the key by which insights count the leads with equal factors."""

from migrations.scripts import run

revision = "0061"
down_revision = "0060"


def upgrade() -> None:
    run("0061_factors_keys.sql")


def downgrade() -> None:
    run("0061_factors_keys.down.sql")
