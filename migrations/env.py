"""The Alembic environment: the database connection and the compared metadata."""

import asyncio
from typing import Any

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from projections.catalog import METADATA

LOCK_TIMEOUT = "5s"
"""A migration that waits longer for a lock fails, so that it does not block other queries."""


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
        **options,
    )


def _run(connection: Connection) -> None:
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.commit()
    _configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()


async def _online(url: str) -> None:
    engine = create_async_engine(url)
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
    url = context.config.get_main_option("sqlalchemy.url")
    if url is None:
        raise SystemExit("sqlalchemy.url is not set: run `crm db migrate`, which sets it")
    asyncio.run(_online(url))
