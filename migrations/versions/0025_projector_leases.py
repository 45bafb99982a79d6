"""A projector without a session of its own shows with a lease that it is alive."""

from migrations.scripts import run

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    run("0025_projector_leases.sql")


def downgrade() -> None:
    run("0025_projector_leases.down.sql")
