"""Count the holds and the tours of visitors, with limits for each property."""

from migrations.scripts import run

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    run("0027_visitor_places.sql")


def downgrade() -> None:
    run("0027_visitor_places.down.sql")
