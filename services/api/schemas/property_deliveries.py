"""Response with the messages of a property that wait, did not leave, or left."""

from typing import Any, ClassVar, Literal, TypeAlias

from events.fields import Count
from services.api.schemas import example
from services.api.schemas.conversations import LEAD_EXAMPLE, ConversationLead
from services.api.schemas.lead_deliveries import DeliveryItem
from services.api.schemas.schema import Examples, ResponseModel

DeliveryState: TypeAlias = Literal["held", "planned", "not_sent", "failed", "unknown", "sent"]
"""Held: a rule or the provider postponed it. Not sent: skipped, or simulated: nobody got it."""


class PropertyDelivery(DeliveryItem):
    """A message with its lead, and with the name of the workflow that planned it."""

    lead: ConversationLead
    workflow: str | None


class DeliveryCounts(ResponseModel):
    """The numbers of messages by state."""

    held: Count
    planned: Count
    not_sent: Count
    failed: Count
    unknown: Count
    sent: Count


_HELD: dict[str, Any] = {
    "id": example.DELIVERY,
    "leadId": example.LEAD,
    "channel": "sms",
    "purpose": "workflow",
    "messageClass": "marketing",
    "status": "held",
    "reason": "quiet_hours",
    "explanation": "held until 2027-03-02 13:00 UTC: messages are not sent at this hour where the "
    "person is",
    "values": {"from": "21:00"},
    "plannedAt": example.AT,
    "dueAt": example.AT,
    "nextAt": "2027-03-02T13:00:00Z",
    "usefulUntil": None,
    "settling": None,
    "forecast": {
        "at": "2027-03-02T13:00:00Z",
        "reason": None,
        "explanation": "it leaves at 2027-03-02 13:00 UTC",
    },
    "subject": None,
    "runId": example.RUN,
    "stepNumber": 0,
    "tourId": None,
    "tourRevision": None,
    "templateId": example.TEMPLATE,
    "templateVersion": 1,
    "requestedBy": None,
    "history": [
        {
            "at": example.AT,
            "status": "held",
            "actor": "sender",
            "reason": "quiet_hours",
            "detail": None,
            "values": {"from": "21:00"},
            "nextAt": "2027-03-02T13:00:00Z",
            "provider": None,
            "attempt": None,
            "person": None,
        }
    ],
    "lead": LEAD_EXAMPLE,
    "workflow": "Spring greeting",
}


class PropertyDeliveryListResponse(ResponseModel):
    """A page of messages, newest first. Send `nextCursor` as `cursor` for the next page.

    `next` is the waiting message at which the sender looks first. `countsComplete` is false if
    there are more than 10,000 messages: then the newest ones are counted.
    """

    examples: ClassVar[Examples] = {
        "one that is held": {
            "deliveries": [_HELD],
            "nextCursor": None,
            "counts": {
                "held": 1, "planned": 0, "notSent": 3, "failed": 0, "unknown": 0, "sent": 24,
            },
            "countsComplete": True,
            "next": _HELD,
        }
    }  # fmt: skip

    deliveries: list[PropertyDelivery]
    next_cursor: str | None
    counts: DeliveryCounts
    counts_complete: bool
    next: PropertyDelivery | None
