"""Contents of rows that are no events are sealed: records, answers of commands, details."""

from migrations.scripts import run

revision = "0046"
down_revision = "0045"


def upgrade() -> None:
    run("0046_sealed_contents.sql")


def downgrade() -> None:
    run("0046_sealed_contents.down.sql")
