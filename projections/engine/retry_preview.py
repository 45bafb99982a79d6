"""Preview of a retry: the rows that it would change. Its transaction is always rolled back.

It runs the code of a retry, so it finds what a retry would find, such as a violated constraint. It
holds the lock of the shard's checkpoint meanwhile, as a retry does: so it is short, and it gives up
where a lock is not free at once.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from events.log.connection import Connection
from projections.engine import store
from projections.engine.batch import WriterIdentity
from projections.engine.derived_table import DerivedTable
from projections.engine.retry import RetryResult, apply_parked
from projections.engine.row_difference import RowDifference, find_different_columns
from projections.engine.table_rows import RowChanges

MAX_EVENTS = 50
"""Events that a preview applies. The counts of the others are not known."""
MAX_ROWS = 50
"""Changed rows that a preview keeps. All of them are counted."""
MAX_SECONDS = 2.0
"""Time for which a preview may hold the lock of a shard."""
TIMEOUTS = "SET LOCAL lock_timeout = '300ms'; SET LOCAL statement_timeout = '1500ms'"
BUSY_ERRORS = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError, TimeoutError)
"""Errors of a preview that would have to wait longer than it may."""


class PreviewedRow(NamedTuple):
    """A row that would change, without personal values, and the event that changes it."""

    event_id: UUID
    table: str
    difference: RowDifference


class RefusedEvent(NamedTuple):
    """An event that would stay parked, and why."""

    event_id: UUID
    reason: str
    detail: str


@dataclass(slots=True)
class RetryPreview:
    """The result that a retry would have.

    `rows` are the first ones; `tables`: table → number of changed rows.
    `is_partial`: not all events were tried, because they are many, or a shard was busy.
    """

    result: RetryResult = field(default_factory=RetryResult)
    rows: list[PreviewedRow] = field(default_factory=list)
    tables: Counter[str] = field(default_factory=Counter)
    refused: list[RefusedEvent] = field(default_factory=list)
    is_partial: bool = False

    @property
    def events(self) -> int:
        return self.result.applied + self.result.dropped + self.result.still_parked

    def add_rows(self, event_id: UUID, rows: "list[tuple[DerivedTable, RowDifference]]") -> None:
        """Add the rows that an event changes."""
        for table, difference in rows:
            self.tables[table.name] += 1
            if len(self.rows) < MAX_ROWS:
                self.rows.append(PreviewedRow(event_id, table.name, difference.masked(table)))


class RowRecorder:
    """A writer that also notes the rows before and after each write."""

    def __init__(self) -> None:
        self._changed: list[tuple[DerivedTable, RowDifference]] = []

    def take(self) -> list[tuple[DerivedTable, RowDifference]]:
        """Return the rows that were changed since the last call."""
        changed, self._changed = self._changed, []
        return changed

    async def write(
        self,
        conn: Connection,
        changes: Mapping[DerivedTable, RowChanges],
        schema: str | None = None,
    ) -> None:
        """Write changes as `store.write` does."""
        before = {table: await _read(conn, table, change) for table, change in changes.items()}
        await store.write(conn, changes, schema)
        for table, change in changes.items():
            old, new = before[table], await _read(conn, table, change)
            for key in sorted({*old, *new}):
                if columns := find_different_columns(old.get(key, {}), new.get(key, {})):
                    self._changed.append((table, RowDifference(key, columns)))


@asynccontextmanager
async def rolled_back(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
    """Yield a connection in a short transaction that is rolled back at the end.

    Raise one of `BUSY_ERRORS` if it lasts too long.
    """
    async with pool.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        try:
            async with asyncio.timeout(MAX_SECONDS):
                await conn.execute(TIMEOUTS)
                yield conn
        finally:
            await transaction.rollback()


async def preview_shard(
    pool: asyncpg.Pool, identity: WriterIdentity, shard: int, preview: RetryPreview
) -> None:
    """Add to a preview what a retry would do with a shard's parked events."""
    recorder = RowRecorder()
    try:
        async with (
            rolled_back(pool) as conn,
            aclosing(apply_parked(conn, identity, shard, recorder.write)) as retried_events,
        ):
            async for retried in retried_events:
                preview.result.count(retried)
                rows = recorder.take()
                if (stays := retried.parked_event) is not None:
                    refused = RefusedEvent(retried.recorded.id, stays.reason, stays.detail)
                    preview.refused.append(refused)
                elif not retried.is_dropped:
                    preview.add_rows(retried.recorded.id, rows)
                if preview.events >= MAX_EVENTS:
                    preview.is_partial = True
                    break
    except BUSY_ERRORS:
        preview.is_partial = True


async def _read(
    conn: Connection, table: DerivedTable, change: RowChanges
) -> dict[str, dict[str, Any]]:
    """Return the stored rows that a change is about: key → row as JSON."""
    at = table.columns.index(table.key)
    keys = [*(row[at] for row in (*change.inserted, *change.updated)), *change.deleted]
    if not keys and not change.scrubbed:
        return {}
    columns = ", ".join(f'"{column}"' for column in table.columns)
    of_scrubbed = f'OR "{table.subject_column}" = ANY($2::uuid[])' if change.scrubbed else ""
    rows = await conn.fetch(
        f'SELECT "{table.key}"::text AS key, to_jsonb(t) AS data '
        f'FROM (SELECT {columns} FROM {table.live_name} WHERE "{table.key}" = ANY($1::uuid[]) '
        f"{of_scrubbed}) AS t",
        keys,
        *([change.scrubbed] if change.scrubbed else []),
    )
    return {row["key"]: row["data"] for row in rows}
