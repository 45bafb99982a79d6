"""Add the table of erased data subjects, and an index for erasures."""

from migrations.scripts import run

revision = "0045"
down_revision = "0044"


def upgrade() -> None:
    run("0045_erased_rows.sql")


def downgrade() -> None:
    run("0045_erased_rows.down.sql")
