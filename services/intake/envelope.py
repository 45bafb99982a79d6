"""CloudEvents 1.0 over Kafka: the attributes and data of a record in binary or structured mode."""

from dataclasses import dataclass
from typing import Any

from services.intake.raw_record import RawRecord
from services.intake.rejection import RejectedRecord, RejectionReason
from services.runtime.strict_json import InvalidJson, parse_json

BINARY_PREFIX = "ce_"
STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch"


@dataclass(frozen=True, slots=True)
class Envelope:
    """The attributes by name in lower case, and the data as JSON bytes or an object."""

    attributes: dict[str, str]
    data: bytes | dict[str, Any]


def open_envelope(record: RawRecord) -> Envelope:
    """Read the CloudEvent of the record. Raise `RejectedRecord` if there is none."""
    if not record.value:
        raise _malformed("the record has no value: send the data of the event")
    attributes, content_type = _headers(record)
    if content_type.startswith(BATCHED):
        raise _malformed("batched mode is not defined for Kafka: send one event per record")
    if content_type.startswith("application/cloudevents"):
        return _structured(record.value)
    if attributes:
        _check_json(content_type)
        return Envelope(attributes, record.value)
    return _structured(record.value)


def _headers(record: RawRecord) -> tuple[dict[str, str], str]:
    """Return the ce_ headers without their prefix, and the content type. Ignore other headers."""
    attributes: dict[str, str] = {}
    content_type = ""
    for name, value in record.headers:
        lower = name.lower()
        if lower == "content-type":
            content_type = _text(name, value).strip().lower()
        elif lower.startswith(BINARY_PREFIX) and value is not None:
            attribute = lower.removeprefix(BINARY_PREFIX)
            if attribute in attributes:
                raise _malformed(f"header {name} occurs twice")
            attributes[attribute] = _text(name, value)
    return attributes, content_type


def _text(name: str, value: bytes | None) -> str:
    try:
        return (value or b"").decode()
    except UnicodeDecodeError:
        raise _malformed(f"header {name} is not UTF-8") from None


def _structured(value: bytes) -> Envelope:
    try:
        document = parse_json(value)
    except InvalidJson as error:
        raise _malformed(
            f"there are no ce_ headers, and the value is not JSON ({error}): "
            f"send binary mode or {STRUCTURED}"
        ) from None
    if not isinstance(document, dict):
        raise _malformed("the value is not a JSON object: send one CloudEvent")
    if "data_base64" in document:
        raise _malformed("data_base64 is not supported: send data as a JSON object")
    data = document.pop("data", None)
    if not isinstance(data, dict):
        raise _malformed("the CloudEvent has no data object: send data as a JSON object")
    attributes = {
        name: _attribute(name, value) for name, value in document.items() if value is not None
    }
    _check_json(attributes.get("datacontenttype", ""))
    return Envelope(attributes, data)


def _attribute(name: str, value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case _:
            raise _malformed(f"attribute {name} is neither text nor a whole number nor a boolean")


def _check_json(content_type: str) -> None:
    kind = content_type.split(";", 1)[0].strip().lower()
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise _malformed(f"the content type is {kind}: send application/json")


def _malformed(detail: str) -> RejectedRecord:
    return RejectedRecord(RejectionReason.MALFORMED, detail)
