"""What the log takes is bounded as the bus writes it, with every digit."""

from migrations.scripts import run

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    run("0015_expanded.sql")


def downgrade() -> None:
    run("0015_expanded.down.sql")
