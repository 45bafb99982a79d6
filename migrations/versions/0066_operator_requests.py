"""Create the table of the long work that operators ask for."""

from migrations.scripts import run

revision = "0066"
down_revision = "0065"


def upgrade() -> None:
    run("0066_operator_requests.sql")


def downgrade() -> None:
    run("0066_operator_requests.down.sql")
