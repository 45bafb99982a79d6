"""The door for producers: what it refused, and what waits for its subject."""

from migrations.scripts import run

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run("0005_intake.sql")


def downgrade() -> None:
    run("0005_intake.down.sql")
