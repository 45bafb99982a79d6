"""CloudEvents 1.0 over Kafka: the attributes and data of a record in binary or structured mode."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from services.runtime.strict_json import InvalidJson, parse_json

BINARY_PREFIX = "ce_"
STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch"

Headers: TypeAlias = tuple[tuple[str, bytes | None], ...]


class InvalidCloudEvent(ValueError):
    """A record that contains no CloudEvent; the message says why."""


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """The attributes by name in lower case, and the data as JSON bytes or an object."""

    attributes: dict[str, str]
    data: bytes | dict[str, Any]


def read_cloud_event(headers: Headers, value: bytes | None) -> CloudEvent:
    """Return the CloudEvent of a record. Raise `InvalidCloudEvent` if there is none."""
    if not value:
        raise InvalidCloudEvent("the record has no value: send the data of the event")
    attributes, content_type = _split_headers(headers)
    if content_type.startswith(BATCHED):
        raise InvalidCloudEvent("batched mode is not defined for Kafka: send one event per record")
    if content_type.startswith("application/cloudevents"):
        return _structured(value)
    if attributes:
        _check_json(content_type)
        return CloudEvent(attributes, value)
    return _structured(value)


def _split_headers(headers: Headers) -> tuple[dict[str, str], str]:
    """Return the ce_ headers without their prefix, and the content type. Ignore other headers."""
    attributes: dict[str, str] = {}
    content_type = ""
    for name, value in headers:
        lower = name.lower()
        if lower == "content-type":
            content_type = _text(name, value).strip().lower()
        elif lower.startswith(BINARY_PREFIX) and value is not None:
            attribute = lower.removeprefix(BINARY_PREFIX)
            if attribute in attributes:
                raise InvalidCloudEvent(f"header {name} occurs twice")
            attributes[attribute] = _text(name, value)
    return attributes, content_type


def _text(name: str, value: bytes | None) -> str:
    try:
        return (value or b"").decode()
    except UnicodeDecodeError:
        raise InvalidCloudEvent(f"header {name} is not UTF-8") from None


def _structured(value: bytes) -> CloudEvent:
    try:
        document = parse_json(value)
    except InvalidJson as error:
        raise InvalidCloudEvent(
            f"there are no ce_ headers, and the value is not JSON ({error}): "
            f"send binary mode or {STRUCTURED}"
        ) from None
    if not isinstance(document, dict):
        raise InvalidCloudEvent("the value is not a JSON object: send one CloudEvent")
    if "data_base64" in document:
        raise InvalidCloudEvent("data_base64 is not supported: send data as a JSON object")
    data = document.pop("data", None)
    if not isinstance(data, dict):
        raise InvalidCloudEvent("the CloudEvent has no data object: send data as a JSON object")
    attributes = {
        name: _attribute(name, value) for name, value in document.items() if value is not None
    }
    _check_json(attributes.get("datacontenttype", ""))
    return CloudEvent(attributes, data)


def _attribute(name: str, value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case _:
            raise InvalidCloudEvent(
                f"attribute {name} is neither text nor a whole number nor a boolean"
            )


def _check_json(content_type: str) -> None:
    kind = content_type.split(";", 1)[0].strip().lower()
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise InvalidCloudEvent(f"the content type is {kind}: send application/json")
