"""The record of a producer: a CloudEvent, checked as far as possible without the database."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError

from events import catalog, codec
from events.catalog import UnknownEvent
from events.event import Event
from events.record import Cause
from services.intake.envelope import Envelope, open_envelope
from services.intake.raw_record import RawRecord
from services.intake.rejection import RejectedRecord, RejectionReason
from services.runtime.validation import describe_validation_error

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_TEXT = 300


@dataclass(frozen=True, slots=True)
class ProducerRecord:
    """A well-formed event of a producer. Its property may or may not exist."""

    record: RawRecord
    source: str
    ce_id: str
    property_id: UUID
    occurred_at: datetime
    cause: Cause
    event: Event


@dataclass(frozen=True, slots=True)
class RecordLabel:
    """The readable attributes of a rejected record, by which operators find its dead letter."""

    source: str | None = None
    ce_id: str | None = None
    event_type: str | None = None
    property_id: UUID | None = None


def read_producer_record(record: RawRecord) -> ProducerRecord:
    """Read the record. Whatever a producer sends, raise nothing but `RejectedRecord`."""
    envelope = open_envelope(record)
    attributes = envelope.attributes
    if attributes.get("specversion") != "1.0":
        raise _malformed(f"specversion is {attributes.get('specversion')!r}: send 1.0")
    source, ce_id, name = (_required(attributes, key) for key in ("source", "id", "type"))
    property_id, data = _split_property(envelope)
    time = attributes.get("time")
    occurred_at = _kafka_time(record.timestamp) if time is None else _instant(time)
    cause = Cause(
        actor=_actor(source, attributes.get("actor")),
        correlation_id=_uuid(attributes, "correlationid"),
        causation_id=_uuid(attributes, "causationid"),
    )
    event = _event(name, attributes.get("schemaversion"), data)
    if objection := catalog.producer_objection(event):
        raise RejectedRecord(RejectionReason.NOT_FOR_PRODUCERS, objection)
    return ProducerRecord(record, source, ce_id, property_id, occurred_at, cause, event)


def label_record(record: RawRecord) -> RecordLabel:
    """Return what can be read of a record, also of a malformed one."""
    try:
        attributes = open_envelope(record).attributes
    except RejectedRecord:
        attributes = {
            name.lower().removeprefix("ce_"): (value or b"").decode("utf-8", "replace")
            for name, value in record.headers
            if name.lower().startswith("ce_")
        }
    try:
        property_id = UUID(attributes.get("propertyid", ""))
    except ValueError:
        property_id = None
    return RecordLabel(
        attributes.get("source"), attributes.get("id"), attributes.get("type"), property_id
    )


def _required(attributes: dict[str, str], name: str) -> str:
    text = attributes.get(name, "")
    if not text:
        raise _malformed(f"attribute {name} is missing")
    if len(text) > MAX_TEXT or "\x00" in text:
        raise _malformed(f"attribute {name} has more than {MAX_TEXT} characters or contains U+0000")
    return text


def _split_property(envelope: Envelope) -> tuple[UUID, bytes | dict[str, Any]]:
    """Return the property id, from the extension or the data, and the data without it."""
    property_id = envelope.attributes.get("propertyid")
    data = envelope.data
    if property_id is None and isinstance(data, bytes):
        data = _object(data)
    if isinstance(data, dict) and "property_id" in data:
        inside = data["property_id"]
        data = {name: value for name, value in data.items() if name != "property_id"}
        if property_id is not None and inside != property_id:
            raise _malformed("propertyid and data.property_id differ: send one of them")
        property_id = inside if isinstance(inside, str) else None
    if property_id is None:
        raise _malformed("propertyid is missing: send it as an extension, or data.property_id")
    try:
        return UUID(property_id), data
    except ValueError:
        raise _malformed("propertyid is not a UUID") from None


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _malformed(f"the data are not JSON: {error}") from None
    if not isinstance(value, dict):
        raise _malformed("the data are JSON, but not an object")
    return value


def _event(name: str, version_text: str | None, data: bytes | dict[str, Any]) -> Event:
    try:
        version = catalog.kind_of(name).version if version_text is None else _number(version_text)
        return codec.decode_from_producer(name, version, data)
    except UnknownEvent as error:
        reason = (
            RejectionReason.UNKNOWN_TYPE
            if error.version is None
            else RejectionReason.UNKNOWN_VERSION
        )
        raise RejectedRecord(reason, str(error)) from None
    except ValidationError as error:
        raise RejectedRecord(
            RejectionReason.INVALID, f"{name}: {describe_validation_error(error)}"
        ) from None
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise RejectedRecord(RejectionReason.INVALID, f"{name}: {error!r}") from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise _malformed("schemaversion is not a whole number of at most five digits")
    return int(text)


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text.upper())
    except ValueError:
        raise _malformed("time is not an RFC 3339 timestamp") from None
    if instant.tzinfo is None:
        raise _malformed("time has no UTC offset: add one, for example Z")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise _malformed("time is out of range") from None


def _kafka_time(milliseconds: int) -> datetime:
    if milliseconds <= 0:
        raise _malformed("time is missing, and the Kafka record has no timestamp: send time")
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise _malformed("the record's timestamp is out of range") from None


def _uuid(attributes: dict[str, str], name: str) -> UUID | None:
    if name not in attributes:
        return None
    try:
        return UUID(attributes[name])
    except ValueError:
        raise _malformed(f"{name} is not a UUID") from None


def _actor(source: str, principal: str | None) -> str:
    """Return the actor of the event: the producer, and for whom it acts if it names someone."""
    if principal is None:
        return f"producer:{source}"
    if not principal or len(principal) > MAX_TEXT or "\x00" in principal:
        raise _malformed("attribute actor is empty, too long or contains U+0000")
    return f"producer:{source} for {principal}"


def _malformed(detail: str) -> RejectedRecord:
    return RejectedRecord(RejectionReason.MALFORMED, detail)
