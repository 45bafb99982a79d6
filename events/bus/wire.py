"""The wire format of an event: CloudEvents 1.0 over Kafka in structured mode.

The value is one JSON document: the attributes, and the stored payload as `data`. The key is the
property id, or the organisation id for events without a property. A row always gives the same
bytes, so a repeated publication changes nothing. The reason for structured mode is in
`docs/decisions/0007-bus-records-are-structured-cloudevents.md`.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, NamedTuple, Protocol
from uuid import UUID

import msgspec
import orjson

from events.event import Event
from events.keys.store import Source
from events.log.payloads import LoadedPayloads, load_payloads, make_stored_payload
from events.log.shard import SHARDS
from events.record import RecordedEvent, UnreadableEvent, make_recorded_event
from events.trace_context import TRACEPARENT, write_traceparent
from events.uuids import QuickUUID

Headers = list[tuple[str, bytes]]
CONTENT_TYPE = "application/cloudevents+json"
HEADERS: Headers = [("content-type", CONTENT_TYPE.encode())]


class Row(Protocol):
    """A row of the log, read by column name."""

    def __getitem__(self, column: str, /) -> Any: ...


_OPTIONAL = (
    ("property_id", "propertyid"),
    ("lead_id", "leadid"),
    ("correlation_id", "correlationid"),
    ("causation_id", "causationid"),
)


class KafkaRecord(NamedTuple):
    """A record to publish."""

    key: bytes
    value: bytes
    headers: Headers


_Position = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Shard = Annotated[int, msgspec.Meta(ge=0, lt=SHARDS)]


class ReceivedRecord(
    msgspec.Struct, frozen=True, gc=False, rename=lambda name: name.replace("_", "")
):
    """A record from the bus with its attributes; the payload in `data` is not decoded yet."""

    id: str
    type: str
    source: str
    time: datetime
    generation: int
    shard: _Shard
    position: _Position
    previous: _Position
    entity_type: str
    entity_id: str
    entity_version: int
    schema_version: int
    org_id: str
    recorded_at: datetime
    actor: str
    origin: str
    data: msgspec.Raw
    property_id: str | None = None
    lead_id: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None


_decode_attributes = msgspec.json.Decoder(ReceivedRecord, strict=False).decode
"""Not strict, because positions are decimal strings: some languages limit numbers to 2^53."""


class ForeignRecord(ValueError):
    """A record on the events topic that the relay of this log did not write."""


def attributes_of(row: Row, log_id: UUID, generation: int) -> dict[str, Any]:
    """Return the attributes of a numbered row of the log: the record's document without `data`."""
    entity_id = str(row["entity_id"])
    document = {
        "specversion": "1.0",
        "id": str(row["id"]),
        "type": row["event_type"],
        "source": source_of(log_id),
        "subject": f"{row['entity_type']}/{entity_id}",
        "time": row["occurred_at"],
        "datacontenttype": "application/json",
        "generation": generation,
        "shard": row["shard"],
        "position": str(row["position"]),
        "previous": str(row["previous"]),
        "entitytype": row["entity_type"],
        "entityid": entity_id,
        "entityversion": row["version"],
        "schemaversion": row["schema_version"],
        "orgid": str(row["org_id"]),
        "recordedat": row["recorded_at"],
        "actor": row["actor"],
        "origin": row["origin"],
    }
    document |= {name: str(row[column]) for column, name in _OPTIONAL if row[column] is not None}
    return document


def record_of(row: Row, log_id: UUID, generation: int) -> KafkaRecord:
    """Return the record of a numbered row of the log, selected with `log.read.BUS_COLUMNS`."""
    document = attributes_of(row, log_id, generation)
    document["data"] = orjson.Fragment(row["payload"])
    key = row["property_id"] or row["org_id"]
    trace = row["trace_context"]
    headers = HEADERS if trace is None else [*HEADERS, (TRACEPARENT, write_traceparent(trace))]
    return KafkaRecord(str(key).encode(), orjson.dumps(document), headers)


def read_record(value: bytes | None, log_id: UUID) -> ReceivedRecord:
    """Return a record with its attributes, without decoding its payload. Raises `ForeignRecord`."""
    try:
        received = _decode_attributes(value or b"")
    except (ValueError, RecursionError) as error:
        raise ForeignRecord(f"the record has no valid log attributes: {error!r}") from error
    if received.source != source_of(log_id):
        raise ForeignRecord(f"the record is of {received.source[:100]!r}, not of log {log_id}")
    return received


async def decode_records(source: Source, received: Sequence[ReceivedRecord]) -> list[RecordedEvent]:
    """Return the recorded events of records, with an `UnreadableEvent` for one of a newer build.

    Raises `DataKeyMissing`.
    """
    return (await load_records(source, received)).decode(0, len(received))


class LoadedRecords(NamedTuple):
    """Records with the keys that decode them."""

    received: Sequence[ReceivedRecord]
    payloads: LoadedPayloads

    def decode(self, start: int, end: int) -> list[RecordedEvent]:
        """Return the recorded events of a slice."""
        stored, events = self.payloads.stored[start:end], self.payloads.decode(start, end)
        return [
            _recorded(payload.event_id, event, record)
            for payload, event, record in zip(
                stored, events, self.received[start:end], strict=True
            )
        ]  # fmt: skip


async def load_records(source: Source, received: Sequence[ReceivedRecord]) -> LoadedRecords:
    """Load the keys of records, which can then be decoded without a query.

    Data keys that the process has not loaded are read from `source` with one query. Raises
    `DataKeyMissing`.
    """
    stored = [
        make_stored_payload(
            (QuickUUID(record.id), record.type, record.schema_version, bytes(record.data))
        )
        for record in received
    ]
    return LoadedRecords(received, await load_payloads(source, stored))


def _recorded(
    event_id: UUID, event: Event | UnreadableEvent, received: ReceivedRecord
) -> RecordedEvent:
    property_id, lead_id = received.property_id, received.lead_id
    correlation_id, causation_id = received.correlation_id, received.causation_id
    return make_recorded_event(
        (
            event_id,
            event,
            received.entity_type,
            QuickUUID(received.entity_id),
            received.entity_version,
            received.shard,
            received.position,
            received.previous,
            _cached_uuid(received.org_id),
            None if property_id is None else _cached_uuid(property_id),
            None if lead_id is None else QuickUUID(lead_id),
            received.time,
            received.recorded_at,
            received.actor,
            received.origin,
            None if correlation_id is None else QuickUUID(correlation_id),
            None if causation_id is None else QuickUUID(causation_id),
        ),
    )


@lru_cache(maxsize=16)
def source_of(log_id: UUID) -> str:
    """Return the CloudEvents source of a log."""
    return f"/crm/{log_id}"


@lru_cache(maxsize=4_096)
def _cached_uuid(value: str) -> UUID:
    """Return one of the few ids that every record contains, parsed once."""
    parsed: UUID = QuickUUID(value)
    return parsed
