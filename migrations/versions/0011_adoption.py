"""A host's own rows: adopted as facts, and what its other code writes afterwards."""

from migrations.scripts import run

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run("0011_adoption.sql")


def downgrade() -> None:
    run("0011_adoption.down.sql")
