"""The record of a producer: a CloudEvent, checked as far as possible without the database."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from events import catalog, codec
from events.catalog import UnknownEvent
from events.event import MAX_HASHED_LENGTH, Event
from events.record import Cause
from events.trace_context import TRACEPARENT, TraceContext, read_traceparent
from events.visitor_ids import read_visitor_id
from services.application.raw_record import RawRecord
from services.application.rejection import RejectedRecord, RejectionReason
from services.runtime.cloud_events import CloudEvent, InvalidCloudEvent, read_cloud_event
from services.runtime.strict_json import InvalidJson, parse_json
from services.runtime.tracing import begin_trace
from services.runtime.unicode_text import normalize_texts
from services.runtime.validation import describe_validation_error

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_TEXT = 300
VISITOR_FIELD = "visitor_id"


@dataclass(frozen=True, slots=True)
class RecordEdit:
    """The operator who corrected a refused record, as the actor of the event, and the reason."""

    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class ProducerRecord:
    """A well-formed event of a producer. Its property may or may not exist.

    `visitor_id` is the one that the producer sent; the event has no hash of it yet.
    """

    record: RawRecord
    source: str
    ce_id: str
    property_id: UUID
    occurred_at: datetime
    cause: Cause
    event: Event
    visitor_id: str | None = None
    principal: str | None = None
    """For whom the producer acts, such as `user:<id>`."""
    edit: RecordEdit | None = None
    sender: TraceContext | None = None
    """The span in which the producer sent the record."""


def read_producer_record(record: RawRecord) -> ProducerRecord:
    """Read the record. Whatever a producer sends, raise nothing but `RejectedRecord`."""
    try:
        cloud_event = read_cloud_event(record.headers, record.value)
    except InvalidCloudEvent as error:
        raise _malformed(str(error)) from None
    attributes = cloud_event.attributes
    if attributes.get("specversion") != "1.0":
        raise _malformed(f"specversion is {attributes.get('specversion')!r}: send 1.0")
    source, ce_id, name = (_required(attributes, key) for key in ("source", "id", "type"))
    property_id, data = _split_property(cloud_event)
    time = attributes.get("time")
    occurred_at = _kafka_time(record.timestamp) if time is None else _instant(time)
    sender = _sender_trace(record, attributes)
    cause = Cause(
        actor=f"producer:{source}",
        correlation_id=_uuid(attributes, "correlationid"),
        causation_id=_uuid(attributes, "causationid"),
        trace=begin_trace(sender, new_id=record.id.bytes),
    )
    content, visitor_id = _split_visitor(name, data)
    event = _event(name, attributes.get("schemaversion"), content)
    if objection := catalog.producer_objection(event):
        raise RejectedRecord(RejectionReason.NOT_FOR_PRODUCERS, objection)
    principal, edit = _principal(attributes.get("actor")), None
    if record.is_edited:
        edit = RecordEdit(_required(attributes, "actor"), attributes["reason"])
        cause = replace(cause, actor=edit.actor)
    return ProducerRecord(
        record, source, ce_id, property_id, occurred_at, cause, event, visitor_id, principal,
        edit, sender,
    )  # fmt: skip


def _sender_trace(record: RawRecord, attributes: dict[str, str]) -> TraceContext | None:
    """Return the trace that the producer sent, in a Kafka header or as a CloudEvents extension."""
    for name, value in record.headers:
        if name == TRACEPARENT:
            return read_traceparent(value)
    text = attributes.get(TRACEPARENT)
    return None if text is None else read_traceparent(text.encode("utf-8", "replace"))


def _required(attributes: dict[str, str], name: str) -> str:
    text = attributes.get(name, "")
    if not text:
        raise _malformed(f"attribute {name} is missing")
    if len(text) > MAX_TEXT or "\x00" in text:
        raise _malformed(f"attribute {name} has more than {MAX_TEXT} characters or contains U+0000")
    return text


def _split_property(cloud_event: CloudEvent) -> tuple[UUID, dict[str, Any]]:
    """Return the property id, from the extension or the data, and the data without it."""
    property_id = cloud_event.attributes.get("propertyid")
    sent = cloud_event.data
    data = sent if isinstance(sent, dict) else _object(sent)
    if "property_id" in data:
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


def _split_visitor(name: str, data: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Return the data without the visitor id, and the visitor id unless it is a placeholder."""
    if name not in catalog.CATALOG or VISITOR_FIELD not in catalog.kind_of(name).hashed:
        return data, None
    hash_field = catalog.kind_of(name).hashed[VISITOR_FIELD]
    if hash_field in data:
        raise RejectedRecord(
            RejectionReason.INVALID, f"{name}: {hash_field} is not for producers: send visitor_id"
        )
    visitor_id = data.get(VISITOR_FIELD)
    data = {field: value for field, value in data.items() if field != VISITOR_FIELD}
    if visitor_id is None:
        return data, None
    if not isinstance(visitor_id, str) or len(visitor_id) > MAX_HASHED_LENGTH:
        raise RejectedRecord(
            RejectionReason.INVALID,
            f"{name}: {VISITOR_FIELD} is not a text of at most {MAX_HASHED_LENGTH} characters",
        )
    return data, read_visitor_id(visitor_id)


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = parse_json(data)
    except InvalidJson as error:
        raise _malformed(f"the data are not JSON: {error}") from None
    if not isinstance(value, dict):
        raise _malformed("the data are JSON, but not an object")
    return value


def _event(name: str, version_text: str | None, data: dict[str, Any]) -> Event:
    try:
        version = catalog.kind_of(name).version if version_text is None else _number(version_text)
        return codec.decode_from_producer(name, version, normalize_texts(data))
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


def _principal(text: str | None) -> str | None:
    if text is not None and (not text or len(text) > MAX_TEXT or "\x00" in text):
        raise _malformed("attribute actor is empty, too long or contains U+0000")
    return text


def _malformed(detail: str) -> RejectedRecord:
    return RejectedRecord(RejectionReason.MALFORMED, detail)
