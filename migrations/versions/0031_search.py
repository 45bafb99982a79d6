"""Add the function that converts texts to the form in which they are searched."""

from migrations.scripts import run

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    run("0031_search.sql")


def downgrade() -> None:
    run("0031_search.down.sql")
