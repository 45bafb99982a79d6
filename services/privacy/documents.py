"""The documents of a person by their format."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple, TypeAlias, cast

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from events.privacy import ExportFormat
from services.privacy.person_document import export_json
from services.privacy.person_export import Person
from services.privacy.person_page import export_page

Writer: TypeAlias = Callable[
    [AsyncConnection, asyncpg.Connection, Person, datetime], AsyncIterator[bytes]
]


class Document(NamedTuple):
    """The function that yields a document in parts, and its media type."""

    write: Writer
    media_type: str


DOCUMENTS: Mapping[ExportFormat, Document] = {
    ExportFormat.JSON: Document(export_json, "application/json"),
    ExportFormat.HTML: Document(export_page, "text/html; charset=utf-8"),
}


@asynccontextmanager
async def read_log(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """Open a transaction of the core that reads one snapshot, for a document."""
    async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        yield cast("asyncpg.Connection", conn)
