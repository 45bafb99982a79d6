"""Add the opt-outs of contacts that no lead has."""

from migrations.scripts import run

revision = "0043"
down_revision = "0042"


def upgrade() -> None:
    run("0043_contact_opt_outs.sql")


def downgrade() -> None:
    run("0043_contact_opt_outs.down.sql")
