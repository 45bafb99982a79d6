"""Rename the columns of projection groups and of scoring inputs to the project's terms."""

from migrations.scripts import run

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    run("0017_projection_group.sql")


def downgrade() -> None:
    run("0017_projection_group.down.sql")
