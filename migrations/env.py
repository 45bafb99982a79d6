"""The Alembic environment: the database connection and the compared metadata."""

import asyncio
import os
from typing import Any

from alembic import context
from sqlalchemy import URL, Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from projections.catalog import METADATA
from services.runtime.database import sqlalchemy_url
from services.runtime.pooler import NO_CACHED_STATEMENTS_OF_SQLALCHEMY

LOCK_TIMEOUT = "5s"
"""A migration that waits longer for a lock fails, so that it does not block other queries."""


def _find_url() -> URL:
    """Return the address that `crm` set, else that of DATABASE_URL for `alembic` in a checkout."""
    address = context.config.get_alembic_option("sqlalchemy.url") or os.environ.get("DATABASE_URL")
    if not address:
        raise SystemExit("DATABASE_URL is not set: set it to the address of a migrated database")
    return sqlalchemy_url(address)


def _number_revision(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """Give the new revision the next number instead of a random id."""
    for script in directives:
        head = context.script.get_current_head() or "0000"
        if script.rev_id not in (None, head) and not script.rev_id.isdigit():
            script.rev_id = f"{int(head) + 1:04}"


def _include(_object: Any, _name: str | None, kind: str, reflected: bool, other: Any) -> bool:
    """Include only tables of the catalog: the tables of host and log are defined in SQL only."""
    return not (kind == "table" and reflected and other is None)


def _configure(**options: Any) -> None:
    context.configure(
        target_metadata=METADATA,
        include_object=_include,
        include_schemas=True,
        compare_type=True,
        version_table_schema="public",
        process_revision_directives=_number_revision,
        **options,
    )


def _run(connection: Connection) -> None:
    """Run the migrations in one transaction, between the checks of `MigrationGuard`."""
    guard = context.config.attributes.get("guard")
    _configure(connection=connection)
    with context.begin_transaction():
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        if guard is not None:
            guard.check_before(connection)
        context.run_migrations()
        if guard is not None:
            guard.check_after(connection)


async def _online(url: URL) -> None:
    # Also behind a pooler: one connection, one transaction, no cached statement.
    engine = create_async_engine(url, connect_args=NO_CACHED_STATEMENTS_OF_SQLALCHEMY)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_run)
    finally:
        await engine.dispose()


if context.is_offline_mode():
    _configure(
        url="postgresql+asyncpg://", literal_binds=True, dialect_opts={"paramstyle": "named"}
    )
    with context.begin_transaction():
        context.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        context.run_migrations()
else:
    asyncio.run(_online(_find_url()))
