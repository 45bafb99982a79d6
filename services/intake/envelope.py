"""CloudEvents 1.0 over Kafka: attributes and data out of a record, in binary or structured mode."""

from dataclasses import dataclass
from typing import Any

import orjson

from services.intake.raw_record import Received
from services.intake.rejection import Reason, Refused

BINARY_PREFIX = "ce_"
STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch"


@dataclass(frozen=True, slots=True)
class Envelope:
    """The attributes by name, lower case, and the event's data: JSON bytes or a JSON object."""

    attributes: dict[str, str]
    data: bytes | dict[str, Any]


def open_envelope(record: Received) -> Envelope:
    """Read the record's CloudEvent. Raises `Refused`."""
    if not record.value:
        raise _malformed("the record has no value: a tombstone says nothing here")
    attributes, content_type = _headers(record)
    if content_type.startswith(BATCHED):
        raise _malformed("batched mode is not defined for Kafka: send one event a record")
    if content_type.startswith("application/cloudevents"):
        return _structured(record.value)
    if attributes:
        _check_json(content_type)
        return Envelope(attributes, record.value)
    return _structured(record.value)


def _headers(record: Received) -> tuple[dict[str, str], str]:
    """The ce_ headers without their prefix, and the content type; other headers are not ours."""
    attributes: dict[str, str] = {}
    content_type = ""
    for name, value in record.headers:
        lower = name.lower()
        if lower == "content-type":
            content_type = _text(name, value).strip().lower()
        elif lower.startswith(BINARY_PREFIX) and value is not None:
            attribute = lower.removeprefix(BINARY_PREFIX)
            if attribute in attributes:
                raise _malformed(f"header {name} is there twice")
            attributes[attribute] = _text(name, value)
    return attributes, content_type


def _text(name: str, value: bytes | None) -> str:
    try:
        return (value or b"").decode()
    except UnicodeDecodeError:
        raise _malformed(f"header {name} is not UTF-8") from None


def _structured(value: bytes) -> Envelope:
    try:
        found = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise _malformed(
            "no ce_ headers, and the value is no CloudEvent in JSON either "
            f"({error}): send binary mode, or {STRUCTURED}"
        ) from None
    if not isinstance(found, dict):
        raise _malformed("the value is JSON, but not an object: a CloudEvent is one")
    if "data_base64" in found:
        raise _malformed("data_base64 holds bytes: the data of an event are a JSON object")
    data = found.pop("data", None)
    if not isinstance(data, dict):
        raise _malformed("the CloudEvent has no `data` object")
    attributes = {name: _attribute(name, said) for name, said in found.items() if said is not None}
    _check_json(attributes.get("datacontenttype", ""))
    return Envelope(attributes, data)


def _attribute(name: str, said: Any) -> str:
    match said:
        case str():
            return said
        case bool():
            return "true" if said else "false"
        case int():
            return str(said)
        case _:
            raise _malformed(f"attribute {name} is neither text, number nor flag")


def _check_json(content_type: str) -> None:
    kind = content_type.split(";", 1)[0].strip().lower()
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise _malformed(f"the data are {kind}: send application/json")


def _malformed(detail: str) -> Refused:
    return Refused(Reason.MALFORMED, detail)
