"""Plan the statements of appends once for each session."""

from migrations.scripts import run

revision = "0053"
down_revision = "0052"


def upgrade() -> None:
    run("0053_generic_plans.sql")


def downgrade() -> None:
    run("0053_generic_plans.down.sql")
