"""Dead letters: rejected records, kept sealed until they are redriven or dropped."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from events.keys import store
from events.log.connection import Connection
from events.log.erased_subjects import subject_ids
from services.intake.outcome import IntakeItem
from services.intake.raw_record import storable
from services.intake.record_label import RecordLabel
from services.intake.scoping import PropertyOrgs
from services.intake.sealed_records import (
    COLUMNS,
    DeadLetter,
    open_dead_letters,
    seal_records,
    without_content,
)

_RECORD_COLUMNS = ", ".join(COLUMNS)


async def save(conn: Connection, items: Sequence[IntakeItem], property_orgs: PropertyOrgs) -> None:
    """Save rejected records.

    A record of a known property gets its organisation, also if it was rejected before the
    organisation was looked up. A record that is rejected again counts another attempt. A redriven
    dead letter is open again. A dropped one stays dropped, an erased one has no content. One about
    an erased person has none either.
    """
    about_erased = await _find_about_erased(conn, items)
    sealed = {i.record.id: without_content(i.record) for i in about_erased}
    sealed |= await seal_records(
        conn,
        [
            (item.record, storable(item.outcome.detail) if item.outcome else "")
            for item in items
            if item.record.id not in sealed
        ],
    )
    labels = {item.record.id: item.label for item in items}
    orgs = await property_orgs.load_orgs(
        conn, (label.property_id for label in labels.values() if label.property_id)
    )
    await conn.executemany(
        f"""
        INSERT INTO crm.dead_letters AS saved (id, {_RECORD_COLUMNS}, ce_source, ce_id, event_type,
          event_id, org_id, property_id, reason)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        ON CONFLICT (id) DO UPDATE SET attempts = saved.attempts + 1, last_at = clock_timestamp(),
          reason = excluded.reason, content = excluded.content, event_id = excluded.event_id,
          org_id = excluded.org_id, property_id = excluded.property_id, copied_at = NULL,
          status = CASE saved.status WHEN 'redriven' THEN 'open' ELSE saved.status END
        """,
        [_row(item, sealed[item.record.id], labels[item.record.id], orgs) for item in items],
    )


def _row(
    item: IntakeItem, sealed: tuple[object, ...], label: RecordLabel, orgs: Mapping[UUID, UUID]
) -> tuple[Any, ...]:
    outcome = item.outcome
    if outcome is None:
        raise RuntimeError(f"record {item.record.id} has no outcome")
    return (
        item.record.id,
        *sealed,
        *(None if text is None else storable(text, 300)
          for text in (label.source, label.ce_id, label.event_type)),
        outcome.event_id,
        outcome.org_id or (orgs.get(label.property_id) if label.property_id else None),
        outcome.property_id or label.property_id,
        outcome.reason,
    )  # fmt: skip


async def _find_about_erased(conn: Connection, items: Sequence[IntakeItem]) -> list[IntakeItem]:
    """Return the items whose event is about an erased data subject, whatever their reason."""
    subjects = [(item, subject_ids(item.new.event)) for item in items if item.new]
    erased = await store.read_erased(conn, {key for _, ids in subjects for key in ids})
    return [item for item, ids in subjects if not erased.isdisjoint(ids)]


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


async def open_counts(conn: Connection) -> list[asyncpg.Record]:
    """Return the open dead letters as rows of org_id, property_id, reason, count."""
    return await conn.fetch(
        "SELECT org_id, property_id, reason, count(*) AS count FROM crm.dead_letters "
        "WHERE status = 'open' GROUP BY 1, 2, 3"
    )
