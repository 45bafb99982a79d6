"""The check of the claimed role concerns clients only, not roles that inherit from them."""

from migrations.scripts import run

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    run("0024_role_check.sql")


def downgrade() -> None:
    run("0024_role_check.down.sql")
