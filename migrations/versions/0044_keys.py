"""Keys of data subjects, and the data subjects that are erased."""

from migrations.scripts import run

revision = "0044"
down_revision = "0043"


def upgrade() -> None:
    run("0044_keys.sql")
    run("0044_erased_subjects.sql")


def downgrade() -> None:
    run("0044_erased_subjects.down.sql")
    run("0044_keys.down.sql")
