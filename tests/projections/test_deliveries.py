"""`workflow_actions` by example."""

from typing import Any

import pytest

from events.deliveries import (
    DeliveryDelivered,
    DeliveryFailed,
    DeliveryHandedOver,
    DeliveryHeld,
    DeliveryPlanned,
    DeliveryPurpose,
    DeliveryReconciled,
    DeliverySkipped,
    DeliveryUnknown,
    ReconciledOutcome,
)
from events.event import Event
from events.runs import RunStepReached, StepOutcome
from events.workflows import MessageChannel, StepAction
from projections.deliveries import projection
from tests.projections.given import HOUSE, LEAD, NOON, ORG, at, event_id, only, rows_of
from tests.projections.workflows import DELIVERY, RUN, TEMPLATE, WHO

SENT: dict[str, Any] = {
    "delivery_id": DELIVERY, "lead_id": LEAD, "channel": MessageChannel.SMS,
    "purpose": DeliveryPurpose.WORKFLOW, "run_id": RUN, "step_number": 0,
}  # fmt: skip
PLANNED = DeliveryPlanned(**SENT, due_at=NOON, template_id=TEMPLATE)


def reached(outcome: StepOutcome, action: StepAction = StepAction.SMS, **more: Any) -> Event:
    return RunStepReached(
        **WHO, step_number=0, step_id="hi", action=action, outcome=outcome, **more
    )


REACHED = reached(StepOutcome.PLANNED, delivery_id=DELIVERY, template_id=TEMPLATE)


@pytest.mark.parametrize("facts", [(PLANNED, REACHED), (REACHED, PLANNED)])
def test_a_step_that_sends_and_its_delivery_are_one_row(recorded_events: tuple[Event, ...]) -> None:
    (row,) = rows_of(projection, *recorded_events)
    assert row == {
        "id": DELIVERY, "lead_workflow_id": RUN, "step_number": 0, "action_type": "sms",
        "template_id": TEMPLATE, "status": "pending", "external_id": None, "error_message": None,
        "executed_at": at(1), "org_id": ORG, "property_id": HOUSE, "lead_id": LEAD,
        "step_id": "hi", "delivery_id": DELIVERY,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("event", "status", "error"),
    [
        (reached(StepOutcome.WAITED, StepAction.WAIT), "waited", None),
        (reached(StepOutcome.SKIPPED), "skipped", None),
        (reached(StepOutcome.FAILED, error_message="no template"), "failed", "no template"),
    ],
)
def test_a_step_that_sends_nothing_says_why(event: Event, status: str, error: str | None) -> None:
    rows = rows_of(projection, event)
    assert only(rows, "id", "status", "error_message", "delivery_id") == [
        (event_id(1), status, error, None)
    ]


HANDED = DeliveryHandedOver(**SENT, provider="p", attempt=1, simulated=False, external_id="SM1")
SIMULATED = DeliveryHandedOver(**SENT, provider="none", attempt=1, simulated=True)


@pytest.mark.parametrize(
    ("facts", "status", "external", "error"),
    [
        ((HANDED,), "sent", "SM1", None),
        ((SIMULATED,), "simulated", None, None),
        ((DeliveryHeld(**SENT, reason="quiet_hours"),), "held", None, "quiet_hours"),
        ((DeliveryHeld(**SENT, reason="quiet_hours"), HANDED), "sent", "SM1", None),
        ((HANDED, DeliveryDelivered(**SENT)), "delivered", "SM1", None),
        ((HANDED, DeliveryFailed(**SENT, reason="no such number")), "failed", "SM1",
         "no such number"),
        ((DeliverySkipped(**SENT, reason="no_consent", detail="withdrawn"),), "skipped", None,
         "no_consent: withdrawn"),
        ((DeliveryUnknown(**SENT, attempt=1, detail="crashed"),), "unknown", None, "crashed"),
        ((DeliveryUnknown(**SENT, attempt=1),
          DeliveryReconciled(**SENT, outcome=ReconciledOutcome.DELIVERED, external_id="SM2")),
         "delivered", "SM2", None),
        ((DeliveryUnknown(**SENT, attempt=1),
          DeliveryReconciled(**SENT, outcome=ReconciledOutcome.NEVER_SENT)), "failed", None,
         "it was never sent"),
    ],
)  # fmt: skip
def test_what_becomes_of_the_message_stands_in_the_step_s_row(
    recorded_events: tuple[Event, ...], status: str, external: str | None, error: str | None
) -> None:
    rows = rows_of(projection, REACHED, PLANNED, *recorded_events)
    assert only(rows, "status", "external_id", "error_message") == [(status, external, error)]


def test_a_hand_over_is_when_it_was_done() -> None:
    assert only(rows_of(projection, REACHED, PLANNED, HANDED), "executed_at") == [(at(3),)]


def test_a_message_of_no_run_leaves_no_row() -> None:
    by_hand = SENT | {"run_id": None, "step_number": None, "purpose": DeliveryPurpose.MANUAL}
    planned = DeliveryPlanned(**by_hand, due_at=NOON)
    assert rows_of(projection, planned, DeliveryFailed(**by_hand, reason="x")) == []
