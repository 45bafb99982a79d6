"""The rows of the event log: made of new events, and inserted."""

import os
from collections.abc import Sequence
from io import BytesIO
from typing import NamedTuple
from uuid import UUID

import orjson

from events import codec, sealed_payload
from events.keys.master import NONCE_BYTES
from events.log import overlap
from events.log.append_state import ContentKeys
from events.log.connection import Connection
from events.log.digests import UNKNOWN
from events.log.shard import shard_of
from events.record import Cause, NewEvent, Stream
from events.trace_context import CURRENT_TRACE

COLUMNS = (
    "id", "entity_type", "entity_id", "version", "shard", "event_type", "schema_version",
    "org_id", "property_id", "lead_id", "occurred_at", "payload", "digest",
    "actor", "origin", "correlation_id", "causation_id", "trace_context",
)  # fmt: skip
_TYPES = (
    "uuid", "text", "uuid", "int", "smallint", "text", "smallint",
    "uuid", "uuid", "uuid", "timestamptz", "jsonb", "bytea",
    "text", "text", "uuid", "uuid", "bytea",
)  # fmt: skip
_INSERT = f"INSERT INTO public.crm_events ({', '.join(COLUMNS)}) SELECT * FROM unnest(" + (
    ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(_TYPES, start=1)) + ")"
)
MIN_COPY_EVENTS = 16
"""From this number of rows on, COPY is faster than INSERT."""
PART_EVENTS = 500
"""Events that one COPY stores, while the rows of the next ones are made."""


class PreparedEvent(NamedTuple):
    """An event to append, with its clear payload and the personal fields to encrypt."""

    new: NewEvent
    clear: bytes
    fields: tuple[str, ...]


def build_row(
    item: PreparedEvent, version: int, keys: ContentKeys, nonce: bytes = b""
) -> tuple[object, ...]:
    """Return the values of an event's row, in the order of `COLUMNS`.

    `nonce`: as for `DataKey.seal`.
    """
    event, payload = item.new, item.clear
    content, cause = event.event, event.cause
    parsed = orjson.loads(payload)
    if not item.fields:
        digest = codec.digest(content, content=parsed)
    else:
        key = keys.of(content)
        digest = UNKNOWN if key is None else codec.digest(content, key.digest_key, parsed)
        payload = sealed_payload.seal(content.name, event.id, parsed, item.fields, key, nonce)
    return (
        event.id, content.stream, content.stream_id, version, shard_of(event.ordering_key),
        content.name, content.version, event.org_id, event.property_id, content.lead,
        event.occurred_at, payload, digest,
        cause.actor, cause.origin, cause.correlation_id, cause.causation_id,
        _trace_of(cause, event.id),
    )  # fmt: skip


def _trace_of(cause: Cause, event_id: UUID) -> bytes:
    """Return the stored trace context of a new event.

    Without a request or record, the trace id is the id of the first cause.
    """
    trace = CURRENT_TRACE.get() or cause.trace
    return (cause.correlation_id or event_id).bytes if trace is None else trace.stored


async def insert_events(
    conn: Connection, new: Sequence[PreparedEvent], versions: dict[Stream, int], keys: ContentKeys
) -> None:
    """Insert the rows of new events; `versions` has the version of each stream before them."""
    random = BytesIO(os.urandom(NONCE_BYTES * len(new)))  # one system call for all events

    def build(item: PreparedEvent) -> tuple[object, ...]:
        stream = item.new.stream
        versions[stream] = version = versions[stream] + 1
        return build_row(item, version, keys, random.read(NONCE_BYTES))

    if len(new) < overlap.MIN_EVENTS:
        await insert_rows(conn, list(map(build, new)))
        return
    # The rows of a part are made while the server stores the part before it.
    rows: list[tuple[object, ...]] = []
    for start in range(0, len(new), PART_EVENTS):
        part = overlap.make_all(build, new[start : start + PART_EVENTS])
        if rows:
            _, rows = await overlap.run(insert_rows(conn, rows), part)
        else:
            rows = await part
    await insert_rows(conn, rows)


async def insert_rows(conn: Connection, rows: list[tuple[object, ...]]) -> None:
    """Insert rows with the values of `COLUMNS`."""
    if len(rows) < MIN_COPY_EVENTS:
        await conn.execute(_INSERT, *zip(*rows, strict=True))
    else:
        await conn.copy_records_to_table(
            "crm_events", schema_name="public", columns=COLUMNS, records=rows
        )


def as_bytea(value: bytes) -> str:
    """Return bytes as JSON has them for PostgreSQL."""
    return f"\\x{value.hex()}"
