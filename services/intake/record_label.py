"""The label of a record: what can be read of it, also of a malformed one."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.application.raw_record import RawRecord
from services.runtime.cloud_events import InvalidCloudEvent, read_cloud_event
from services.runtime.strict_json import InvalidJson, parse_json


@dataclass(frozen=True, slots=True)
class RecordLabel:
    """The readable attributes of a rejected record, by which operators find its dead letter."""

    source: str | None = None
    ce_id: str | None = None
    event_type: str | None = None
    property_id: UUID | None = None


def label_record(record: RawRecord) -> RecordLabel:
    """Return what can be read of a record, also of a malformed one."""
    data: object = None
    try:
        cloud_event = read_cloud_event(record.headers, record.value)
        attributes, data = cloud_event.attributes, cloud_event.data
    except InvalidCloudEvent:
        attributes = _readable_attributes(record)
    return RecordLabel(
        attributes.get("source"), attributes.get("id"), attributes.get("type"),
        _label_property(attributes.get("propertyid"), data, record.key),
    )  # fmt: skip


def _readable_attributes(record: RawRecord) -> dict[str, str]:
    """Return the attributes that can be read although the record contains no CloudEvent."""
    attributes = {
        name.lower().removeprefix("ce_"): (value or b"").decode("utf-8", "replace")
        for name, value in record.headers
        if name.lower().startswith("ce_")
    }
    document = {} if attributes else _object(record.value or b"")
    return attributes or {name: text for name, text in document.items() if isinstance(text, str)}


def _label_property(attribute: str | None, data: object, key: bytes | None) -> UUID | None:
    """Return the property of the attribute, else of the data, else the one that is the key."""
    if attribute is None and isinstance(data, bytes):
        data = _object(data)
    inside = data.get("property_id") if isinstance(data, dict) else None
    for text in (attribute, inside, (key or b"").decode("utf-8", "replace")):
        try:
            return UUID(text if isinstance(text, str) else "")
        except ValueError:
            continue
    return None


def _object(data: bytes) -> dict[str, Any]:
    """Return a JSON object; an empty one if the data are something else."""
    try:
        value = parse_json(data)
    except InvalidJson:
        return {}
    return value if isinstance(value, dict) else {}
