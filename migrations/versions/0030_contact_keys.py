"""Store the keys of contact details in events, and derive the existing claims again."""

from migrations.scripts import run

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    run("0030_phone_patterns.sql")
    run("0030_contact_keys.sql")


def downgrade() -> None:
    run("0030_contact_keys.down.sql")
    run("0030_phone_patterns.down.sql")
