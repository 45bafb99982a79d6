"""Functions that migrate a database, from a checkout or from an installed wheel."""

import io
import os
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

import migrations
from services.runtime.database import sqlalchemy_url
from services.runtime.host_access import HostAccess
from services.runtime.migration_guard import MigrationGuard

OLDEST_DOWNGRADE = "0017"
"""The oldest revision to which a database with data can go back."""

ENCRYPTED_SINCE = "0048"
"""Older revisions cannot read encrypted events, and find no lead by a keyed hash."""


class UnknownRevision(ValueError):
    """The code has no migration of this name; the message contains the newest."""


def alembic_config(dsn: str) -> Config:
    """Return Alembic's configuration; `sqlalchemy.url` is the asyncpg address."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    url = sqlalchemy_url(dsn).render_as_string(hide_password=False)
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def migrate(dsn: str, revision: str = "head", *, host_access: HostAccess | None = None) -> None:
    """Upgrade to `revision`. It blocks and runs its own event loop: call it from a thread.

    `host_access`: how roles of the host keep their access to its tables. Raise `MigrationRefused`
    if the choice is needed and missing.
    """
    config = alembic_config(dsn)
    config.attributes["guard"] = MigrationGuard(revision, host_access)
    command.upgrade(config, revision)


def downgrade(dsn: str, revision: str) -> None:
    """Go back to `revision`, in one transaction. It blocks: call it from a thread.

    Raise `UnknownRevision` for a revision without the event log's protections: a downgrade to it
    would drop policies of the host, or the log itself.
    """
    if revision < OLDEST_DOWNGRADE:
        raise UnknownRevision(
            f"revision {revision} is too old to go back to, because the event log would be lost: "
            f"the oldest is {OLDEST_DOWNGRADE}; restore a backup instead"
        )
    command.downgrade(alembic_config(dsn), revision)


async def has_encrypted_values(conn: asyncpg.Connection) -> bool:
    """Return whether a database has values that no revision before `ENCRYPTED_SINCE` can use."""
    found: bool = await conn.fetchval(
        """
        SELECT EXISTS (SELECT FROM crm.claims WHERE length(value) = 64
            AND kind IN ('lead.email', 'lead.phone', 'lead.external_id'))
          OR EXISTS (SELECT FROM crm.contact_opt_outs WHERE length(contact) = 64)
          OR EXISTS (SELECT FROM public.crm_events WHERE payload::jsonb ? 'sealed')
        """
    )
    return found


def find_revision(revision: str) -> str:
    """Return the whole name of a revision such as `0012` or `head`; raise `UnknownRevision`."""
    try:
        script = ScriptDirectory.from_config(alembic_config("postgresql://")).get_revision(revision)
    except CommandError:
        script = None
    if script is None:
        raise UnknownRevision(
            f"there is no revision {revision!r}: the newest is {', '.join(current_heads('postgresql://'))}"
        )
    return script.revision


def is_older(revision: str, current: str) -> bool:
    """Return whether `revision` comes before `current`; raise `UnknownRevision` for `current`."""
    directory = ScriptDirectory.from_config(alembic_config("postgresql://"))
    if current not in {script.revision for script in directory.walk_revisions()}:
        raise UnknownRevision(
            f"the schema is at {current}, which this build does not have: use a newer build"
        )
    return revision in {s.revision for s in directory.iterate_revisions(current, "base")} - {
        current
    }


async def read_revision(conn: asyncpg.Connection) -> str | None:
    """Return the revision of a database; None if it has no schema yet."""
    try:
        revision: str | None = await conn.fetchval("SELECT version_num FROM public.alembic_version")
    except asyncpg.UndefinedTableError:
        return None
    return revision


def offline_sql(since: str = "base") -> str:
    """Return the migrations after revision `since` as one SQL script; needs no database."""
    script = io.StringIO()
    config = alembic_config("postgresql://")
    config.output_buffer = script
    command.upgrade(config, f"{since}:head", sql=True)
    return script.getvalue()


def current_heads(dsn: str) -> tuple[str, ...]:
    """Return the newest revisions of this code."""
    return tuple(ScriptDirectory.from_config(alembic_config(dsn)).get_heads())


if __name__ == "__main__":
    migrate(os.environ["DATABASE_URL"])
