"""Add the marks of restricted leads."""

from migrations.scripts import run

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    run("0041_restrictions.sql")


def downgrade() -> None:
    run("0041_restrictions.down.sql")
