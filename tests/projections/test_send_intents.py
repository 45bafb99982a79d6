"""Examples for `deliveries`: given the events of a message, its row."""

from typing import Any

import pytest

from events.deliveries import (
    DeliveryClaimed,
    DeliveryDelivered,
    DeliveryFailed,
    DeliveryHandedOver,
    DeliveryHeld,
    DeliveryPlanned,
    DeliveryPurpose,
    DeliveryReconciled,
    DeliveryReleased,
    DeliverySkipped,
    DeliveryUnknown,
    MessageClass,
    ReconciledOutcome,
)
from events.event import Event
from events.workflows import MessageChannel
from projections.send_intents import projection
from tests.projections.given import LEAD, NOON, ORG, PROPERTY, at, only, rows_of
from tests.projections.workflows import DELIVERY, RUN

FIELDS: dict[str, Any] = {
    "delivery_id": DELIVERY, "lead_id": LEAD, "channel": MessageChannel.SMS,
    "purpose": DeliveryPurpose.WORKFLOW, "run_id": RUN, "step_number": 0,
}  # fmt: skip
PLANNED = DeliveryPlanned(
    **FIELDS, due_at=NOON, message_class=MessageClass.MARKETING, recipient="+12125550123",
    body="Hi",
)  # fmt: skip
VALUES = {"quiet_hours": {"zones": ["America/New_York"]}}
HELD = DeliveryHeld(**FIELDS, reason="quiet_hours", held_until=NOON, values=VALUES)
CLAIMED = DeliveryClaimed(**FIELDS, attempt=1, provider="twilio", lease_until=NOON, values={})
HANDED_OVER = DeliveryHandedOver(
    **FIELDS, provider="twilio", attempt=1, simulated=False, external_id="SM1"
)
UNKNOWN = DeliveryUnknown(**FIELDS, attempt=1, detail="no answer")


def test_a_planned_message_is_one_row_without_its_text() -> None:
    (row,) = rows_of(projection, PLANNED)
    filled = {name: value for name, value in row.items() if value is not None}
    assert filled == {
        "id": DELIVERY, "org_id": ORG, "property_id": PROPERTY, "lead_id": LEAD, "channel": "sms",
        "purpose": "workflow", "message_class": "marketing", "status": "planned",
        "recipient": "+12125550123", "due_at": NOON, "attempt": 0, "is_simulated": False,
        "run_id": RUN, "step_number": 0, "planned_at": at(1), "changed_at": at(1),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("events", "status", "reason", "detail"),
    [
        ((HELD,), "held", "quiet_hours", None),
        ((HELD, CLAIMED), "claimed", None, None),
        (
            (CLAIMED, DeliveryReleased(**FIELDS, attempt=1, reason="busy", next_attempt_at=NOON)),
            "released", "busy", None,
        ),
        ((CLAIMED, HANDED_OVER), "handed_over", None, None),
        (
            (CLAIMED, HANDED_OVER.model_copy(update={"simulated": True})),
            "simulated", None, None,
        ),
        ((CLAIMED, HANDED_OVER, DeliveryDelivered(**FIELDS)), "delivered", None, None),
        (
            (CLAIMED, DeliveryFailed(**FIELDS, reason="no such number", code="21211")),
            "failed", "21211", "no such number",
        ),
        ((HELD, DeliverySkipped(**FIELDS, reason="too_late")), "skipped", "too_late", None),
        ((CLAIMED, UNKNOWN), "unknown", "no_result", "no answer"),
        (
            (CLAIMED, UNKNOWN, DeliveryReconciled(
                **FIELDS, outcome=ReconciledOutcome.NEVER_SENT, detail="asked"
            )),
            "never_sent", "reconciled", "asked",
        ),
    ],
)  # fmt: skip
def test_the_row_has_the_status_and_its_reason(
    events: tuple[Event, ...], status: str, reason: str | None, detail: str | None
) -> None:
    rows = rows_of(projection, PLANNED, *events)
    assert only(rows, "status", "reason", "detail") == [(status, reason, detail)]


def test_what_the_rules_compared_and_the_provider_stay() -> None:
    (held,) = rows_of(projection, PLANNED, HELD)
    assert (held["rule_values"], held["held_until"]) == (VALUES, NOON)
    (sent,) = rows_of(projection, PLANNED, HELD, CLAIMED, HANDED_OVER)
    assert (sent["provider"], sent["external_id"], sent["attempt"]) == ("twilio", "SM1", 1)
    assert (sent["held_until"], sent["handed_over_at"]) == (None, at(4))
