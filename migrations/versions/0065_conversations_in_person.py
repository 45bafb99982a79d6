"""Index the conversations that an agent leads, or should."""

from migrations.scripts import run

revision = "0065"
down_revision = "0063"


def upgrade() -> None:
    run("0065_conversations_in_person.sql")


def downgrade() -> None:
    run("0065_conversations_in_person.down.sql")
