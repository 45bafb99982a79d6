"""Create the tables of the console: used links, and actions of operators."""

from migrations.scripts import run

revision = "0063"
down_revision = "0062"


def upgrade() -> None:
    run("0063_console.sql")


def downgrade() -> None:
    run("0063_console.down.sql")
