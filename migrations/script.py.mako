"""${message}."""

from migrations.scripts import run

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "run('REPLACE_ME.sql')"}


def downgrade() -> None:
    ${downgrades if downgrades else "raise NotImplementedError"}
