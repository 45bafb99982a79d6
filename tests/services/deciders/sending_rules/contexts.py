"""Contexts for tests of the rules of sending: a marketing SMS to a person in New York at noon."""

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from events.deliveries import DeliveryChannel, DeliveryPlanned, DeliveryPurpose, MessageClass
from services.deciders.sending_rules.context import SendingContext

NOON = datetime(2026, 3, 3, 17, tzinfo=UTC)
"""Noon in New York, on a Tuesday."""
NEW_YORK = "+12125550123"
_CONTEXT = {field.name for field in fields(SendingContext)}


def context(**more: Any) -> SendingContext:
    """Return a context; `more` are fields of it or of its planned message."""
    planned: dict[str, Any] = {
        "delivery_id": UUID(int=1), "lead_id": UUID(int=2), "channel": DeliveryChannel.SMS,
        "purpose": DeliveryPurpose.WORKFLOW, "due_at": NOON, "body": "Hi",
        "message_class": MessageClass.MARKETING,
    }  # fmt: skip
    values: dict[str, Any] = {
        "now": NOON, "planned_at": NOON - timedelta(minutes=1), "recipient": NEW_YORK,
        "lead_phone": NEW_YORK, "property_zone": "America/New_York",
    }  # fmt: skip
    for name, value in more.items():
        (values if name in _CONTEXT else planned)[name] = value
    if values["recipient"] == NEW_YORK and planned["channel"] == DeliveryChannel.EMAIL:
        values["recipient"] = "ada@example.com"
    return SendingContext(planned=DeliveryPlanned(**planned), **values)
