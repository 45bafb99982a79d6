"""The append of events to several streams, with guards and claims, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from events import codec
from events.log import limits, reserved_times
from events.log.claims import update_claims
from events.log.connection import Connection
from events.log.errors import Conflict, IdReused, WrongProperty
from events.log.locks import lock_for_append
from events.log.shard import shard_of
from events.record import NewEvent, Stream

COLUMNS = (
    "id", "entity_type", "entity_id", "version", "shard", "event_type", "schema_version",
    "org_id", "property_id", "lead_id", "occurred_at", "payload", "digest",
    "actor", "origin", "correlation_id", "causation_id",
)  # fmt: skip
_TYPES = (
    "uuid", "text", "uuid", "int", "smallint", "text", "smallint",
    "uuid", "uuid", "uuid", "timestamptz", "jsonb", "bytea",
    "text", "text", "uuid", "uuid",
)  # fmt: skip
_INSERT = f"INSERT INTO public.crm_events ({', '.join(COLUMNS)}) SELECT * FROM unnest(" + (
    ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(_TYPES, start=1)) + ")"
)
MIN_COPY_EVENTS = 16
"""From this number of rows on, COPY is faster than INSERT."""


class _StreamHead(NamedTuple):
    """The newest row of a stream: its version and its ordering key."""

    version: int
    ordering_key: UUID


@dataclass(frozen=True, slots=True)
class AppendResult:
    """The result of an append: new event ids, and ids that the log had with the same content."""

    new: tuple[UUID, ...]
    duplicates: tuple[UUID, ...]


async def append(
    conn: Connection,
    events: Sequence[NewEvent],
    *,
    expected: Mapping[Stream, int],
    guards: Mapping[Stream, int] | None = None,
) -> AppendResult:
    """Append `events` in the caller's transaction, which must be open (READ COMMITTED).

    `expected` is stream → the version that it must have. A stream that is missing there is
    observed: its events get the next versions. `guards` are streams that were only read and must
    still have the given version. Events that the log has already are recognised by their id.

    Raises `Conflict`, `ClaimTaken`, `IdReused`, `WrongProperty`, `LimitExceeded`.
    """
    if not conn.is_in_transaction():
        raise RuntimeError(
            "append needs an open transaction: begin one before the streams are read"
        )
    if not events:
        return AppendResult((), ())
    now = datetime.now(UTC)
    payloads = [_checked_payload(event, now) for event in events]
    guards = guards or {}
    # The heads are read after the locks. READ COMMITTED gives that statement a new snapshot, so it
    # sees everything that the previous holders of the locks committed.
    await lock_for_append(conn, events, guards)
    digests = {event.id: codec.digest(event.event) for event in events}
    duplicates, reused, heads = await _read_state(
        conn, digests, list({*(e.stream for e in events), *guards})
    )
    if reused:
        # Two commands that derive the same event id can race for it. Then the versions differ too:
        # report the conflict first, so that the loser decides again.
        _check_versions(events, heads, expected, guards)
        raise IdReused(min(reused))
    new = [(e, p) for e, p in zip(events, payloads, strict=True) if e.id not in duplicates]
    if len(new) > len({event.id for event, _ in new}):
        new = _without_repetitions(new)
    if not new:
        return AppendResult((), tuple(duplicates))
    versions = _check_versions([event for event, _ in new], heads, expected, guards)
    rows = []
    for event, payload in new:
        versions[event.stream] += 1
        rows.append(_row(event, versions[event.stream], payload, digests[event.id]))
    await _insert(conn, rows)
    # Only new events change claims and times: duplicates changed them at their first append.
    new_events = [event for event, _ in new]
    await update_claims(conn, new_events)
    await reserved_times.store_times(conn, new_events)
    return AppendResult(tuple(event.id for event in new_events), tuple(duplicates))


def _checked_payload(event: NewEvent, now: datetime) -> bytes:
    limits.check_instant(event.occurred_at, now)
    return limits.seal_checked(event.event)


async def _read_state(
    conn: Connection, digests: Mapping[UUID, bytes], streams: Sequence[Stream]
) -> tuple[set[UUID], set[UUID], dict[Stream, _StreamHead]]:
    """Return the ids in the log with the same content, those with another, and stream → head."""
    rows = await conn.fetch(
        """
        SELECT id, digest, NULL AS kind, NULL::int AS version, NULL::uuid AS ordering_key
        FROM public.crm_events WHERE id = ANY($1::uuid[])
        UNION ALL
        SELECT requested.id, NULL, requested.kind, head.version, head.ordering_key
        FROM unnest($2::text[], $3::uuid[]) AS requested (kind, id)
        CROSS JOIN LATERAL (
          SELECT version, coalesce(property_id, org_id) AS ordering_key FROM public.crm_events e
          WHERE e.entity_type = requested.kind AND e.entity_id = requested.id
          ORDER BY version DESC LIMIT 1) AS head
        """,
        list(digests),
        [stream.entity_type for stream in streams],
        [stream.entity_id for stream in streams],
    )
    duplicates: set[UUID] = set()
    reused: set[UUID] = set()
    heads: dict[Stream, _StreamHead] = {}
    for row in rows:
        if row["kind"] is not None:
            heads[Stream(row["kind"], row["id"])] = _StreamHead(row["version"], row["ordering_key"])
        elif row["digest"] != digests[row["id"]]:
            reused.add(row["id"])
        else:
            duplicates.add(row["id"])
    return duplicates, reused, heads


def _without_repetitions(new: list[tuple[NewEvent, bytes]]) -> list[tuple[NewEvent, bytes]]:
    """Return the events without repetitions within one append. Raises `IdReused`."""
    by_id: dict[UUID, tuple[NewEvent, bytes]] = {}
    for event, payload in new:
        first, _ = by_id.setdefault(event.id, (event, payload))
        if codec.digest(event.event) != codec.digest(first.event):
            raise IdReused(event.id)
    return list(by_id.values())


def _check_versions(
    events: Sequence[NewEvent],
    heads: Mapping[Stream, _StreamHead],
    expected: Mapping[Stream, int],
    guards: Mapping[Stream, int],
) -> dict[Stream, int]:
    """Return the version of each stream, 0 for a new one. Raises `Conflict`, `WrongProperty`."""
    ordering_keys = {event.stream: event.ordering_key for event in events}
    versions = dict.fromkeys([*ordering_keys, *guards], 0)
    for stream in versions:
        if (head := heads.get(stream)) is None:
            continue
        versions[stream] = head.version
        if ordering_keys.get(stream, head.ordering_key) != head.ordering_key:
            raise WrongProperty(stream)
    for stream, version in [*guards.items(), *expected.items()]:
        if versions.get(stream, version) != version:
            raise Conflict(stream, version, versions[stream])
    return versions


def _row(event: NewEvent, version: int, payload: bytes, digest: bytes) -> tuple[object, ...]:
    content, cause = event.event, event.cause
    return (
        event.id, content.stream, content.stream_id, version, shard_of(event.ordering_key),
        content.name, content.version, event.org_id, event.property_id, content.lead,
        event.occurred_at, payload, digest,
        cause.actor, cause.origin.value, cause.correlation_id, cause.causation_id,
    )  # fmt: skip


async def _insert(conn: Connection, rows: list[tuple[object, ...]]) -> None:
    if len(rows) < MIN_COPY_EVENTS:
        await conn.execute(_INSERT, *zip(*rows, strict=True))
    else:
        await conn.copy_records_to_table(
            "crm_events", schema_name="public", columns=COLUMNS, records=rows
        )
