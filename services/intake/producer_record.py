"""What a producer sent, read as far as it can be without asking anybody."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError

from events import catalog
from events.catalog import UnknownEvent
from events.event import Event
from events.record import Cause
from services.intake.envelope import Envelope, open_envelope
from services.intake.raw_record import Received
from services.intake.rejection import Reason, Refused

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEXT_AT_MOST = 300
SHOWN_PROBLEMS = 5
KNOWN = frozenset({"id", "source", "type", "propertyid"})


@dataclass(frozen=True, slots=True)
class Sent:
    """A well-formed event of a producer, about a property that may or may not exist."""

    record: Received
    source: str
    ce_id: str
    property_id: UUID
    occurred_at: datetime
    cause: Cause
    event: Event


@dataclass(frozen=True, slots=True)
class Label:
    """What can be told of a record even where it is refused."""

    source: str | None = None
    ce_id: str | None = None
    event_type: str | None = None
    property_id: UUID | None = None


def read_sent(record: Received) -> Sent:
    """Read the record. Raises `Refused`, and nothing else that a producer could cause."""
    envelope = open_envelope(record)
    said = envelope.attributes
    if said.get("specversion") != "1.0":
        raise _malformed(f"specversion is {said.get('specversion')!r}: send 1.0")
    source, ce_id, name = (_required(said, key) for key in ("source", "id", "type"))
    property_id, data = _property(envelope)
    occurred_at = _instant(said["time"]) if "time" in said else _kafka_time(record.timestamp)
    cause = Cause(
        actor=_actor(source, said.get("actor")),
        correlation_id=_uuid(said, "correlationid"),
        causation_id=_uuid(said, "causationid"),
    )
    event = _event(name, said.get("schemaversion"), data)
    if why := catalog.why_not_from_producer(event):
        raise Refused(Reason.NOT_FOR_PRODUCERS, why)
    return Sent(record, source, ce_id, property_id, occurred_at, cause, event)


def label_of(record: Received) -> Label:
    """Whatever of a refused record can be read, for whoever looks for it."""
    try:
        said = open_envelope(record).attributes
    except Refused:
        said = {
            name.lower().removeprefix("ce_"): (value or b"").decode("utf-8", "replace")
            for name, value in record.headers
            if name.lower().startswith("ce_")
        }
    try:
        property_id = UUID(said.get("propertyid", ""))
    except ValueError:
        property_id = None
    return Label(said.get("source"), said.get("id"), said.get("type"), property_id)


def _required(said: dict[str, str], name: str) -> str:
    text = said.get(name, "")
    if not text:
        raise _malformed(f"attribute {name} is missing")
    if len(text) > TEXT_AT_MOST or "\x00" in text:
        raise _malformed(f"attribute {name} has more than {TEXT_AT_MOST} characters, or U+0000")
    return text


def _property(envelope: Envelope) -> tuple[UUID, bytes | dict[str, Any]]:
    """The property, said by the extension or in the data, and the data without it."""
    said = envelope.attributes.get("propertyid")
    data = envelope.data
    if said is None and isinstance(data, bytes):
        data = _object(data)
    if isinstance(data, dict) and "property_id" in data:
        inside = data["property_id"]
        data = {name: value for name, value in data.items() if name != "property_id"}
        if said is not None and inside != said:
            raise _malformed("propertyid and data.property_id name two properties")
        said = inside if isinstance(inside, str) else None
    if said is None:
        raise _malformed("propertyid is missing: send it as an extension, or data.property_id")
    try:
        return UUID(said), data
    except ValueError:
        raise _malformed("propertyid is not a UUID") from None


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _malformed(f"the data are not JSON: {error}") from None
    if not isinstance(found, dict):
        raise _malformed("the data are JSON, but not an object")
    return found


def _event(name: str, said_version: str | None, data: bytes | dict[str, Any]) -> Event:
    try:
        version = catalog.kind_of(name).version if said_version is None else _number(said_version)
        return catalog.decode_sent(name, version, data)
    except UnknownEvent as error:
        reason = Reason.UNKNOWN_TYPE if error.version is None else Reason.UNKNOWN_VERSION
        raise Refused(reason, str(error)) from None
    except ValidationError as error:
        raise Refused(Reason.INVALID, f"{name}: {explained(error)}") from None
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise Refused(Reason.INVALID, f"{name}: {error!r}") from None


def explained(error: ValidationError) -> str:
    """The first problems, field by field, without the values sent."""
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    shown = [f"{'.'.join(map(str, p['loc'])) or 'data'}: {p['msg']}" for p in problems]
    more = len(shown) - SHOWN_PROBLEMS
    return "; ".join(shown[:SHOWN_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise _malformed("schemaversion is not a small whole number")
    return int(text)


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.upper())
    except ValueError:
        raise _malformed("time is not a timestamp as RFC 3339 has it") from None
    if found.tzinfo is None:
        raise _malformed("time has no offset: send an instant, for example with Z")
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise _malformed("time is out of range") from None


def _kafka_time(milliseconds: int) -> datetime:
    if milliseconds <= 0:
        raise _malformed("no time: neither the event nor the record has one")
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise _malformed("the record's timestamp is out of range") from None


def _uuid(said: dict[str, str], name: str) -> UUID | None:
    if name not in said:
        return None
    try:
        return UUID(said[name])
    except ValueError:
        raise _malformed(f"{name} is not a UUID") from None


def _actor(source: str, said: str | None) -> str:
    """Who says it: always the producer, and for whom where it says so."""
    if said is None:
        return f"producer:{source}"
    if not said or len(said) > TEXT_AT_MOST or "\x00" in said:
        raise _malformed("attribute actor is empty, too long, or has U+0000")
    return f"producer:{source} for {said}"


def _malformed(detail: str) -> Refused:
    return Refused(Reason.MALFORMED, detail)
