"""Appending: several streams, their guards and claims, in the caller's one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from events import codec
from events.log import limits, reserved_times
from events.log.claims import claim
from events.log.connection import Connection
from events.log.errors import Conflict, IdReused, WrongProperty
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
COPY_FROM_EVENTS = 16
LOCKS_AT_MOST = 200
"""An append of more streams locks its whole property instead: locks are a shared, small table."""


class _Head(NamedTuple):
    """The newest row of a stream: its version, and the ordering key it belongs to."""

    version: int
    owner: UUID


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of an append: ids that are new, and ids the log had already (same content)."""

    new: tuple[UUID, ...]
    known: tuple[UUID, ...]


async def append(
    conn: Connection,
    events: Sequence[NewEvent],
    *,
    expected: Mapping[Stream, int],
    guards: Mapping[Stream, int] | None = None,
) -> Appended:
    """Append `events` in the caller's transaction, which must be open (READ COMMITTED).

    `expected` gives the version each decided stream must be at; a stream that is missing there is
    an observation and goes to its next version. `guards` are streams only read, whose version must
    still hold. Events that the log has already are recognised by id.

    Raises `Conflict`, `ClaimTaken`, `IdReused`, `WrongProperty`, `LimitExceeded`.
    """
    if not conn.is_in_transaction():
        raise RuntimeError("append needs the caller's transaction: what it decides is one commit")
    if not events:
        return Appended((), ())
    now = datetime.now(UTC)
    sealed = [_sealed(event, now) for event in events]
    guards = guards or {}
    await _lock(conn, events, guards)
    digests = {event.id: codec.digest(event.event) for event in events}
    known, reused, heads = await _found(conn, digests, list({*(e.stream for e in events), *guards}))
    if reused:
        # Two that derive an id from what they answer race for it: the loser decides again.
        _versions(events, heads, expected, guards)
        raise IdReused(min(reused))
    fresh = [(e, p) for e, p in zip(events, sealed, strict=True) if e.id not in known]
    repeated = len(fresh) - len({e.id for e, _ in fresh})
    if repeated:
        fresh = _first_of_each(fresh)
    if not fresh:
        return Appended((), tuple(known))
    versions = _versions([e for e, _ in fresh], heads, expected, guards)
    rows = []
    for event, payload in fresh:
        versions[event.stream] += 1
        rows.append(_row(event, versions[event.stream], payload, digests[event.id]))
    await _insert(conn, rows)
    await claim(conn, [event for event, _ in fresh])
    await reserved_times.keep(conn, [event for event, _ in fresh])
    return Appended(tuple(event.id for event, _ in fresh), tuple(known))


def _sealed(event: NewEvent, now: datetime) -> bytes:
    limits.check_instant(event.occurred_at, now)
    return limits.sealed(event.event)


async def _lock(conn: Connection, events: Sequence[NewEvent], guards: Mapping[Stream, int]) -> None:
    """Lock the streams appended to, and share the locks of those relied upon.

    Locks live until the transaction's end and are taken in one order, so they cannot deadlock.
    Every append shares its property's lock; a large one holds it alone and needs no other.
    """
    properties = sorted({event.ordering_key for event in events})
    written = {event.stream for event in events}
    alone = len(written) > LOCKS_AT_MOST
    wanted = {("order", key): not alone for key in properties}
    if not alone:
        wanted |= {stream: True for stream in guards if stream not in written}
        wanted |= dict.fromkeys(written, False)
    await conn.execute(
        """
        SELECT CASE WHEN shared THEN pg_advisory_xact_lock_shared(key)
                    ELSE pg_advisory_xact_lock(key) END
        FROM (SELECT crm.lock_of(kind, id) AS key, bool_and(shared) AS shared,
                     min(CASE WHEN kind = 'order' THEN 0 ELSE 1 END) AS level
              FROM unnest($1::text[], $2::uuid[], $3::bool[]) AS wanted (kind, id, shared)
              GROUP BY 1 ORDER BY level, key) AS in_order
        """,
        [kind for kind, _ in wanted],
        [key for _, key in wanted],
        list(wanted.values()),
    )


async def lock_streams(conn: Connection, streams: Sequence[Stream]) -> None:
    """Take contended streams' locks before reading them, so that racing commands queue."""
    await conn.execute(
        """
        SELECT pg_advisory_xact_lock(key)
        FROM (SELECT DISTINCT crm.lock_of(kind, id) AS key
              FROM unnest($1::text[], $2::uuid[]) AS wanted (kind, id) ORDER BY 1) AS in_order
        """,
        [stream.entity_type for stream in streams],
        [stream.entity_id for stream in streams],
    )


async def _found(
    conn: Connection, digests: Mapping[UUID, bytes], streams: Sequence[Stream]
) -> tuple[set[UUID], set[UUID], dict[Stream, _Head]]:
    """Which events the log has, which ids say something else there, and where the streams are."""
    rows = await conn.fetch(
        """
        SELECT id, digest, NULL AS kind, NULL::int AS version, NULL::uuid AS owner
        FROM public.crm_events WHERE id = ANY($1::uuid[])
        UNION ALL
        SELECT wanted.id, NULL, wanted.kind, head.version, head.owner
        FROM unnest($2::text[], $3::uuid[]) AS wanted (kind, id)
        CROSS JOIN LATERAL (
          SELECT version, coalesce(property_id, org_id) AS owner FROM public.crm_events e
          WHERE e.entity_type = wanted.kind AND e.entity_id = wanted.id
          ORDER BY version DESC LIMIT 1) AS head
        """,
        list(digests),
        [stream.entity_type for stream in streams],
        [stream.entity_id for stream in streams],
    )
    known: set[UUID] = set()
    reused: set[UUID] = set()
    heads: dict[Stream, _Head] = {}
    for row in rows:
        if row["kind"] is not None:
            heads[Stream(row["kind"], row["id"])] = _Head(row["version"], row["owner"])
        elif row["digest"] != digests[row["id"]]:
            reused.add(row["id"])
        else:
            known.add(row["id"])
    return known, reused, heads


def _first_of_each(fresh: list[tuple[NewEvent, bytes]]) -> list[tuple[NewEvent, bytes]]:
    """The same event twice in one append is one; raises `IdReused`."""
    first: dict[UUID, tuple[NewEvent, bytes]] = {}
    for event, payload in fresh:
        held = first.setdefault(event.id, (event, payload))
        if codec.digest(event.event) != codec.digest(held[0].event):
            raise IdReused(event.id)
    return list(first.values())


def _versions(
    events: Sequence[NewEvent],
    heads: Mapping[Stream, _Head],
    expected: Mapping[Stream, int],
    guards: Mapping[Stream, int],
) -> dict[Stream, int]:
    """The version each stream is at, after checking what was expected of it."""
    owners = {event.stream: event.ordering_key for event in events}
    versions = dict.fromkeys([*owners, *guards], 0)
    for stream in versions:
        if (head := heads.get(stream)) is None:
            continue
        versions[stream] = head.version
        if owners.get(stream, head.owner) != head.owner:
            raise WrongProperty(stream)
    for stream, version in [*guards.items(), *expected.items()]:
        if versions.get(stream, version) != version:
            raise Conflict(stream, version, versions[stream])
    return versions


def _row(event: NewEvent, version: int, payload: bytes, digest: bytes) -> tuple[object, ...]:
    said, cause = event.event, event.cause
    return (
        event.id, said.stream, said.stream_id, version, shard_of(event.ordering_key),
        said.name, said.version, event.org_id, event.property_id, said.lead,
        event.occurred_at, payload, digest,
        cause.actor, cause.origin.value, cause.correlation_id, cause.causation_id,
    )  # fmt: skip


async def _insert(conn: Connection, rows: list[tuple[object, ...]]) -> None:
    if len(rows) < COPY_FROM_EVENTS:
        await conn.execute(_INSERT, *zip(*rows, strict=True))
    else:
        await conn.copy_records_to_table(
            "crm_events", schema_name="public", columns=COLUMNS, records=rows
        )
