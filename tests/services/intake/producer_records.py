"""Records of producers, for tests of the intake."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import orjson

from services.application.raw_record import RawRecord
from services.intake.outcome import IntakeOutcome
from services.runtime.cloud_events import Headers

_offsets = count()
NOW_MS = 1_772_366_400_000


def raw_record(
    value: bytes | None, headers: Headers = (), *, key: bytes | None = None, timestamp: int = NOW_MS
) -> RawRecord:
    return RawRecord("t.intake", 0, next(_offsets), timestamp, key, value, headers)


def binary_headers(
    name: str, property_id: UUID | str, *, ce_id: str | None = None, source: str = "/test",
    **more: str,
) -> Headers:  # fmt: skip
    attributes = {
        "specversion": "1.0", "id": ce_id or str(uuid4()), "source": source, "type": name,
        "propertyid": str(property_id), **more,
    }  # fmt: skip
    return (
        ("content-type", b"application/json"),
        *((f"ce_{key}", text.encode()) for key, text in attributes.items()),
    )


def binary_record(
    name: str, data: Mapping[str, Any], property_id: UUID | str, *, ce_id: str | None = None,
    source: str = "/test", **more: str,
) -> RawRecord:  # fmt: skip
    headers = binary_headers(name, property_id, ce_id=ce_id, source=source, **more)
    return raw_record(orjson.dumps(data), headers)


def structured_record(
    name: str, data: Any, property_id: UUID | str, **attributes: Any
) -> RawRecord:
    document = {
        "specversion": "1.0", "id": str(uuid4()), "source": "/test", "type": name,
        "propertyid": str(property_id), **attributes, "data": data,
    }  # fmt: skip
    return raw_record(orjson.dumps(document), (("content-type", b"application/cloudevents+json"),))


def engagement_data(lead_id: UUID, **more: Any) -> dict[str, Any]:
    """Return the data of an engagement.recorded."""
    return {
        "engagement_id": str(uuid4()), "lead_id": str(lead_id), "event_type": "email_opened",
        **more,
    }  # fmt: skip


def statuses(outcomes: Sequence[IntakeOutcome]) -> list[str]:
    """Return the status of each outcome, with its reason if it has one."""
    return [f"{o.status.value} {o.reason}".strip() for o in outcomes]


def captured(lead: UUID, **more: object) -> dict[str, object]:
    """Return the payload of a captured lead."""
    return {
        "lead_id": str(lead), "source": "Zillow", "first_name": "Grace", "email": f"{lead}@acme.io",
        **more,
    }  # fmt: skip
