"""The wire form of a fact: CloudEvents 1.0 over Kafka in binary mode.

The value is the payload as the log holds it; everything else is a header, text in UTF-8. The key
is the property id (the organisation's id for what stands above properties). The record of a row
is the same bytes whenever it is made, so publishing again changes nothing.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from asyncpg.pgproto import pgproto

from events.codec import read_event
from events.record import Recorded

QuickUUID = pgproto.UUID
"""The driver's own UUID: read from text in a tenth of the time."""
Headers = list[tuple[str, bytes]]


class Row(Protocol):
    """A row of the log by column, as drivers give them."""

    def __getitem__(self, column: str, /) -> Any: ...


_OPTIONAL = (
    ("property_id", "ce_propertyid"),
    ("lead_id", "ce_leadid"),
    ("correlation_id", "ce_correlationid"),
    ("causation_id", "ce_causationid"),
)


class Record(NamedTuple):
    """What a producer is given."""

    key: bytes
    value: bytes
    headers: Headers


class Arrival(NamedTuple):
    """A record as it came from the bus, read as far as its place in the order."""

    generation: int
    shard: int
    position: int
    previous: int
    headers: Mapping[str, bytes]
    value: bytes


class NotOurs(ValueError):
    """A record on the events topic that the relay of this log did not write."""


def record_of(row: Row, log_id: UUID, generation: int) -> Record:
    """The record of a numbered row of the log, selected as `log.read.COLUMNS`."""
    headers: Headers = [
        ("content-type", b"application/json"),
        ("ce_specversion", b"1.0"),
        ("ce_id", _text(row["id"])),
        ("ce_type", row["event_type"].encode()),
        ("ce_source", f"/crm/{log_id}".encode()),
        ("ce_subject", f"{row['entity_type']}/{row['entity_id']}".encode()),
        ("ce_time", _instant(row["occurred_at"])),
        ("ce_logid", _text(log_id)),
        ("ce_generation", _text(generation)),
        ("ce_shard", _text(row["shard"])),
        ("ce_position", _text(row["position"])),
        ("ce_previous", _text(row["previous"])),
        ("ce_entitytype", row["entity_type"].encode()),
        ("ce_entityid", _text(row["entity_id"])),
        ("ce_entityversion", _text(row["version"])),
        ("ce_schemaversion", _text(row["schema_version"])),
        ("ce_orgid", _text(row["org_id"])),
        ("ce_recordedat", _instant(row["recorded_at"])),
        ("ce_actor", row["actor"].encode()),
        ("ce_origin", row["origin"].encode()),
    ]
    headers += [(name, _text(row[c])) for c, name in _OPTIONAL if row[c] is not None]
    key = row["property_id"] or row["org_id"]
    return Record(_text(key), row["payload"].encode(), headers)


def arrival(value: bytes | None, headers: Iterable[tuple[str, bytes]], log_id: UUID) -> Arrival:
    """Read a record's place in the order. Raises `NotOurs`."""
    found = dict(headers)
    try:
        if found["ce_logid"] != _text_of(log_id):
            raise NotOurs(f"a record of log {found['ce_logid']!r}, this is {log_id}")
        return Arrival(
            int(found["ce_generation"]),
            int(found["ce_shard"]),
            int(found["ce_position"]),
            int(found["ce_previous"]),
            found,
            value or b"",
        )
    except (KeyError, ValueError) as error:
        if isinstance(error, NotOurs):
            raise
        raise NotOurs(f"a record without its place in the log: {error!r}") from error


def recorded(came: Arrival) -> Recorded:
    """The fact a record carries; an event this build cannot read comes as `Unknown`."""
    said = came.headers
    get = said.get
    property_id, lead_id = get("ce_propertyid"), get("ce_leadid")
    correlation_id, causation_id = get("ce_correlationid"), get("ce_causationid")
    return tuple.__new__(  # what the class itself does, after a call more
        Recorded,
        (
            QuickUUID(said["ce_id"].decode()),
            read_event(_word(said["ce_type"]), int(said["ce_schemaversion"]), came.value),
            _word(said["ce_entitytype"]),
            QuickUUID(said["ce_entityid"].decode()),
            int(said["ce_entityversion"]),
            came.shard,
            came.position,
            came.previous,
            _known_uuid(said["ce_orgid"]),
            None if property_id is None else _known_uuid(property_id),
            None if lead_id is None else QuickUUID(lead_id.decode()),
            datetime.fromisoformat(said["ce_time"].decode()),
            datetime.fromisoformat(said["ce_recordedat"].decode()),
            _word(said["ce_actor"]),
            _word(said["ce_origin"]),
            None if correlation_id is None else QuickUUID(correlation_id.decode()),
            None if causation_id is None else QuickUUID(causation_id.decode()),
        ),
    )


def _text(value: object) -> bytes:
    return str(value).encode()


@lru_cache(maxsize=16)
def _text_of(log_id: UUID) -> bytes:
    return _text(log_id)


def _instant(value: datetime) -> bytes:
    return value.astimezone(UTC).isoformat().encode()


@lru_cache(maxsize=4_096)
def _known_uuid(value: bytes) -> UUID:
    """The few ids that stand in every record."""
    return QuickUUID(value.decode())


@lru_cache(maxsize=1_024)
def _word(value: bytes) -> str:
    return value.decode()
