"""Dead letters: rejected records, kept sealed until they are redriven or dropped."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import asyncpg

from events.keys.errors import DataKeyMissing
from events.log.connection import Connection
from services.application.sealed_records import DeadLetter, open_dead_letters, open_details
from services.runtime.strict_json import InvalidJson, parse_json

DEAD_LETTERS_PER_PAGE = 500


async def set_status(conn: Connection, ids: Sequence[UUID], status: str) -> None:
    """Set the status: `open`, `redriven` or `dropped`."""
    await conn.execute(
        "UPDATE crm.dead_letters SET status = $2, last_at = clock_timestamp() "
        "WHERE id = ANY($1::uuid[])",
        list(ids),
        status,
    )


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """A filter of dead letters. All given conditions must hold."""

    ids: Sequence[UUID] = ()
    status: str | None = "open"
    reason: str | None = None
    property_id: UUID | None = None
    event_type: str | None = None
    source: str | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Return the filter of `to_json`."""
        property_id = values["property_id"]
        return cls(
            [UUID(dead_letter_id) for dead_letter_id in values["ids"]], values["status"],
            values["reason"], property_id and UUID(property_id), values["event_type"],
            values["source"],
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Return the filter for a column of JSON."""
        return {
            "ids": [str(dead_letter_id) for dead_letter_id in self.ids], "status": self.status,
            "reason": self.reason, "property_id": self.property_id and str(self.property_id),
            "event_type": self.event_type, "source": self.source,
        }  # fmt: skip

    @property
    def arguments(self) -> tuple[object, ...]:
        """Return the arguments of `_FILTERED`."""
        return (
            list(self.ids), self.status, self.reason, self.property_id, self.event_type,
            self.source,
        )  # fmt: skip


_FILTERED = """
FROM crm.dead_letters
WHERE (cardinality($1::uuid[]) = 0 OR id = ANY($1)) AND ($2::text IS NULL OR status = $2)
  AND ($3::text IS NULL OR reason = $3) AND ($4::uuid IS NULL OR property_id = $4)
  AND ($5::text IS NULL OR event_type = $5) AND ($6::text IS NULL OR ce_source = $6)
"""
_ORDER_COLUMNS = ("first_at", "topic", "partition", "kafka_offset", "id")
_ORDER = ", ".join(_ORDER_COLUMNS)


async def find(conn: Connection, chosen: DeadLetterFilter, limit: int) -> list[DeadLetter]:
    """Return dead letters, oldest first, which is also the order of a redrive."""
    rows = await conn.fetch(
        f"SELECT * {_FILTERED} ORDER BY {_ORDER} LIMIT $7", *chosen.arguments, limit
    )
    return await open_dead_letters(conn, rows)


async def find_ids(conn: Connection, first: UUID, last: UUID, status: str | None) -> list[UUID]:
    """Return at most two ids of dead letters from `first` to `last`."""
    rows = await conn.fetch(
        "SELECT id FROM crm.dead_letters WHERE id BETWEEN $1 AND $2 "
        "AND ($3::text IS NULL OR status = $3) ORDER BY id LIMIT 2",
        first,
        last,
        status,
    )
    return [row["id"] for row in rows]


async def load_pages(
    pool: asyncpg.Pool, chosen: DeadLetterFilter, page_size: int
) -> AsyncIterator[list[DeadLetter]]:
    """Yield all dead letters that exist now in pages, oldest first.

    The caller may change them meanwhile: a page continues after the last row of the one before.
    """
    until = await pool.fetchval("SELECT clock_timestamp()")
    rows = await pool.fetch(
        f"SELECT * {_FILTERED} AND first_at <= $8 ORDER BY {_ORDER} LIMIT $7",
        *chosen.arguments,
        page_size,
        until,
    )
    while rows:
        yield await open_dead_letters(pool, rows)
        rows = await pool.fetch(
            f"SELECT * {_FILTERED} AND first_at <= $8 AND ({_ORDER}) > ($9, $10, $11, $12, $13) "
            f"ORDER BY {_ORDER} LIMIT $7",
            *chosen.arguments,
            page_size,
            until,
            *(rows[-1][name] for name in _ORDER_COLUMNS),
        )


async def count(conn: Connection, chosen: DeadLetterFilter) -> int:
    """Return the number of dead letters that pass the filter."""
    number: int = await conn.fetchval(f"SELECT count(*) {_FILTERED}", *chosen.arguments)
    return number


async def list_rows(
    conn: Connection, chosen: DeadLetterFilter, after: tuple[datetime, UUID] | None, limit: int
) -> list[asyncpg.Record]:
    """Return dead letters without their contents, newest first, before one of them."""
    before = "" if after is None else "AND (first_at, id) < ($8, $9)"
    return await conn.fetch(
        "SELECT id, first_at, last_at, reason, status, attempts, event_type, event_id, org_id, "
        f"property_id, ce_source, ce_id {_FILTERED} {before} "
        "ORDER BY first_at DESC, id DESC LIMIT $7",
        *chosen.arguments,
        limit,
        *(after or ()),
    )


async def list_details(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, str | None]:
    """Return dead letter → the sentence that says why the intake refused it.

    If a data key is missing, nothing is returned: a list is then shown without the sentences.
    """
    rows = await conn.fetch(
        "SELECT id, content FROM crm.dead_letters WHERE id = ANY($1)", list(ids)
    )
    try:
        details = await open_details(conn, rows)
    except DataKeyMissing:
        return {}
    return {row["id"]: detail for row, detail in zip(rows, details, strict=True)}


async def open_counts(conn: Connection) -> list[asyncpg.Record]:
    """Return the open dead letters as rows of org_id, property_id, reason, count."""
    return await conn.fetch(
        "SELECT org_id, property_id, reason, count(*) AS count FROM crm.dead_letters "
        "WHERE status = 'open' GROUP BY 1, 2, 3"
    )


async def drop(conn: Connection, chosen: DeadLetterFilter) -> int:
    """Mark these dead letters as dropped; return how many there were."""
    status: str = await conn.execute(
        "UPDATE crm.dead_letters SET status = 'dropped', last_at = clock_timestamp() "
        f"WHERE id IN (SELECT id {_FILTERED})",
        *chosen.arguments,
    )
    return int(status.rpartition(" ")[2])


def describe(dead: DeadLetter) -> dict[str, Any]:
    """Return a dead letter for output: the value as JSON if it is, other bytes as text."""
    record = dead.record
    shown = {**dead.columns, "detail": dead.detail}
    if record is None:
        return shown | {"key": None, "value": None, "headers": None}
    shown["key"] = None if record.key is None else _text(record.key)
    shown["value"] = None if record.value is None else _text(record.value)
    with suppress(InvalidJson):
        shown["value"] = parse_json(record.value or b"")
    shown["headers"] = {
        name: None if value is None else _text(value) for name, value in record.headers
    }
    return shown


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return f"{len(value)} bytes: {value[:200]!r}"
