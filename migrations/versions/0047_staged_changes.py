"""Let triggers stage the changes of the host's rows, which the core then appends."""

from migrations.scripts import run

revision = "0047"
down_revision = "0046"


def upgrade() -> None:
    run("0047_staged_changes.sql")


def downgrade() -> None:
    run("0047_staged_changes.down.sql")
