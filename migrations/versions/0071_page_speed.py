"""Index what the funnel of a property counts."""

from migrations.scripts import run

revision = "0071"
down_revision = "0067"


def upgrade() -> None:
    run("0071_page_speed.sql")


def downgrade() -> None:
    run("0071_page_speed.down.sql")
