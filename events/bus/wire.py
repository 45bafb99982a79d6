"""The wire form of a fact: CloudEvents 1.0 over Kafka in structured mode.

The value is one JSON document: the attributes, and the payload as the log holds it as `data`. The
key is the property id (the organisation's id for what stands above properties). The record of a
row is the same bytes whenever it is made, so publishing again changes nothing. Why not headers:
`docs/decisions/facts-travel-as-one-document.md`.
"""

from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, NamedTuple, Protocol
from uuid import UUID

import msgspec
import orjson

from events.codec import read_event
from events.log.shard import SHARDS
from events.record import RecordedEvent, recorded_of
from events.uuids import QuickUUID

Headers = list[tuple[str, bytes]]
CONTENT_TYPE = "application/cloudevents+json"
HEADERS: Headers = [("content-type", CONTENT_TYPE.encode())]


class Row(Protocol):
    """A row of the log by column, as drivers give them."""

    def __getitem__(self, column: str, /) -> Any: ...


_OPTIONAL = (
    ("property_id", "propertyid"),
    ("lead_id", "leadid"),
    ("correlation_id", "correlationid"),
    ("causation_id", "causationid"),
)


class Record(NamedTuple):
    """What a producer is given."""

    key: bytes
    value: bytes
    headers: Headers


_Place = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Shard = Annotated[int, msgspec.Meta(ge=0, lt=SHARDS)]


class Arrival(msgspec.Struct, frozen=True, gc=False, rename=lambda name: name.replace("_", "")):
    """A record as it came from the bus, its payload not read yet."""

    id: str
    type: str
    source: str
    time: datetime
    generation: int
    shard: _Shard
    position: _Place
    previous: _Place
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


_read = msgspec.json.Decoder(Arrival, strict=False).decode
"""Not strict: positions are decimal text, for JSON's numbers end at 2^53 in some languages."""


class NotOurs(ValueError):
    """A record on the events topic that the relay of this log did not write."""


def record_of(row: Row, log_id: UUID, generation: int) -> Record:
    """The record of a numbered row of the log, selected as `log.read.COLUMNS`."""
    entity_id = str(row["entity_id"])
    said = {
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
    said |= {name: str(row[column]) for column, name in _OPTIONAL if row[column] is not None}
    said["data"] = orjson.Fragment(row["payload"])
    key = row["property_id"] or row["org_id"]
    return Record(str(key).encode(), orjson.dumps(said), HEADERS)


def arrival(value: bytes | None, log_id: UUID) -> Arrival:
    """Read a record as far as its payload. Raises `NotOurs`."""
    try:
        came = _read(value or b"")
    except (ValueError, RecursionError) as error:
        raise NotOurs(f"a record without its place in the log: {error!r}") from error
    if came.source != source_of(log_id):
        raise NotOurs(f"a record of {came.source[:100]!r}, this is log {log_id}")
    return came


def position_of(value: bytes | None) -> int:
    """The position of a record of whichever log; 0 for what is no record of a log."""
    try:
        return _read(value or b"").position
    except (ValueError, RecursionError):
        return 0


def decode(came: Arrival) -> RecordedEvent:
    """The fact a record carries; an event this build cannot read comes as `Unknown`."""
    property_id, lead_id = came.property_id, came.lead_id
    correlation_id, causation_id = came.correlation_id, came.causation_id
    return recorded_of(
        (
            QuickUUID(came.id),
            read_event(came.type, came.schema_version, bytes(came.data)),
            came.entity_type,
            QuickUUID(came.entity_id),
            came.entity_version,
            came.shard,
            came.position,
            came.previous,
            _known_uuid(came.org_id),
            None if property_id is None else _known_uuid(property_id),
            None if lead_id is None else QuickUUID(lead_id),
            came.time,
            came.recorded_at,
            came.actor,
            came.origin,
            None if correlation_id is None else QuickUUID(correlation_id),
            None if causation_id is None else QuickUUID(causation_id),
        ),
    )


@lru_cache(maxsize=16)
def source_of(log_id: UUID) -> str:
    """How a log is called on the bus."""
    return f"/crm/{log_id}"


@lru_cache(maxsize=4_096)
def _known_uuid(value: str) -> UUID:
    """The few ids that stand in every record."""
    found: UUID = QuickUUID(value)
    return found
