"""Events with their personal values in clear, for services that may read them.

Every read of personal values is accounted before they leave the core: who read which events, and
when.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
import orjson

from events.bus.wire import ReceivedRecord, attributes_of, load_records
from events.codec import serialize
from events.event import Event
from events.keys.errors import DataKeyMissing
from events.keys.store import Source
from events.log.connection import Connection
from events.log.payloads import LoadedPayloads
from events.log.read import AnyRow, load_rows
from events.log.sequencer import LogState
from events.personal import personal_content
from events.record import RecordedEvent, UnreadableEvent

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClearEvent:
    """A recorded event in the current version. `is_erased`: it has erased values."""

    recorded: RecordedEvent
    is_erased: bool

    @property
    def has_personal_values(self) -> bool:
        """Return whether somebody who reads the event reads values of a person."""
        event = self.recorded.event
        return not self.is_erased and isinstance(event, Event) and bool(personal_content(event))

    def document(self, log: LogState) -> dict[str, Any]:
        """Return the CloudEvent as on the bus, but with `data` in clear and the member `erased`.

        `data` is null for an event that this build cannot read; `unreadable` is then the reason.
        """
        recorded, event = self.recorded, self.recorded.event
        row = {
            **recorded._asdict(), "event_type": event.name, "schema_version": event.version,
        }  # fmt: skip
        document = attributes_of(row, log.id, log.generation)
        if isinstance(event, UnreadableEvent):
            return {**document, "erased": False, "data": None, "unreadable": event.why}
        return {
            **document, "erased": self.is_erased, "data": orjson.Fragment(serialize(event)),
        }  # fmt: skip


Opened: TypeAlias = list[ClearEvent]


async def open_rows(
    source: Source, rows: Sequence[AnyRow]
) -> tuple[list[ClearEvent], DataKeyMissing | None]:
    """Return the events of rows selected with `log.read.COLUMNS`, in their order.

    If a data key is missing, they end before its first event, as all consumers do, and the second
    value is the error. Such an event is never taken for an erased one.
    """
    return await _open(source, rows, _load_and_decode_rows)


async def open_records(
    source: Source, records: Sequence[ReceivedRecord]
) -> tuple[list[ClearEvent], DataKeyMissing | None]:
    """Do the same as `open_rows` with records of the bus."""
    return await _open(source, records, _load_and_decode_records)


async def account_reads(
    conn: Connection, org_id: UUID, reader: str, events: Sequence[ClearEvent]
) -> None:
    """Store that `reader` gets the personal values of these events. Call it before sending them.

    `reader` is `api_key:<id>` or `consumer:<name>`. Events without personal values do not count.
    """
    event_ids = [event.recorded.id for event in events if event.has_personal_values]
    if event_ids:
        await conn.execute(
            "INSERT INTO crm.payload_reads (org_id, reader, event_ids) VALUES ($1, $2, $3)",
            org_id,
            reader,
            event_ids,
        )


async def list_reads(
    conn: Connection, org_id: UUID, reader: str | None, lead_id: UUID | None, limit: int
) -> list[asyncpg.Record]:
    """Return the newest accounts of an organisation: of one reader, or of events of one lead."""
    return await conn.fetch(
        """
        SELECT read_at, reader, cardinality(event_ids) AS events, event_ids
        FROM crm.payload_reads
        WHERE org_id = $1 AND ($2::text IS NULL OR reader = $2)
          AND ($3::uuid IS NULL OR event_ids && (
            SELECT array_agg(id) FROM public.crm_events WHERE lead_id = $3 AND org_id = $1))
        ORDER BY id DESC LIMIT $4
        """,
        org_id,
        reader,
        lead_id,
        limit,
    )


async def _open(
    source: Source, items: Sequence[T], load: Callable[[Source, Sequence[T]], Awaitable[Opened]]
) -> tuple[Opened, DataKeyMissing | None]:
    try:
        return await load(source, items), None
    except DataKeyMissing:
        # Rare, and then few items: look for the first one that cannot be read.
        readable: Opened = []
        for item in items:
            try:
                readable += await load(source, [item])
            except DataKeyMissing as error:
                return readable, error
        return readable, None  # the key was restored meanwhile


async def _load_and_decode_rows(source: Source, rows: Sequence[AnyRow]) -> Opened:
    loaded = await load_rows(source, rows)
    return _with_erasures(loaded.decode(0, len(rows)), loaded.payloads)


async def _load_and_decode_records(source: Source, records: Sequence[ReceivedRecord]) -> Opened:
    loaded = await load_records(source, records)
    return _with_erasures(loaded.decode(0, len(records)), loaded.payloads)


def _with_erasures(recorded_events: Sequence[RecordedEvent], payloads: LoadedPayloads) -> Opened:
    return [
        ClearEvent(recorded, payloads.is_erased(number))
        for number, recorded in enumerate(recorded_events)
    ]
