"""Rows that adoption left out are in no list, and follow when the host corrects them."""

from migrations.scripts import run

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    run("0032_left_out_rows.sql")


def downgrade() -> None:
    run("0032_left_out_rows.down.sql")
