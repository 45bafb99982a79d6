"""Examples for `workflow_actions`: given events, the rows that they leave."""

from typing import Any
from uuid import UUID

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
from tests.projections.given import LEAD, NOON, ORG, PROPERTY, at, event_id, only, rows_of
from tests.projections.workflows import DELIVERY, RUN, RUN_FIELDS, TEMPLATE

FIELDS: dict[str, Any] = {
    "delivery_id": DELIVERY, "lead_id": LEAD, "channel": MessageChannel.SMS,
    "purpose": DeliveryPurpose.WORKFLOW, "run_id": RUN, "step_number": 0,
}  # fmt: skip
PLANNED = DeliveryPlanned(**FIELDS, due_at=NOON, template_id=TEMPLATE)


def step_reached(outcome: StepOutcome, action: StepAction = StepAction.SMS, **more: Any) -> Event:
    return RunStepReached(
        **RUN_FIELDS, step_number=0, step_id="hi", action=action, outcome=outcome, **more
    )


REACHED = step_reached(StepOutcome.PLANNED, delivery_id=DELIVERY, template_id=TEMPLATE)


@pytest.mark.parametrize("events", [(PLANNED, REACHED), (REACHED, PLANNED)])
def test_a_step_that_sends_and_its_delivery_are_one_row_in_any_order(
    events: tuple[Event, ...],
) -> None:
    (row,) = rows_of(projection, *events)
    assert row == {
        "id": DELIVERY, "lead_workflow_id": RUN, "step_number": 0, "action_type": "sms",
        "template_id": TEMPLATE, "status": "pending", "external_id": None, "error_message": None,
        "executed_at": at(1), "org_id": ORG, "property_id": PROPERTY, "lead_id": LEAD,
        "step_id": "hi", "delivery_id": DELIVERY, "choice": None, "task_id": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("event", "status", "error"),
    [
        (step_reached(StepOutcome.WAITED, StepAction.WAIT), "waited", None),
        (step_reached(StepOutcome.SKIPPED), "skipped", None),
        (step_reached(StepOutcome.FAILED, error_message="no template"), "failed", "no template"),
    ],
)
def test_a_step_without_a_delivery_has_its_outcome_as_status(
    event: Event, status: str, error: str | None
) -> None:
    rows = rows_of(projection, event)
    assert only(rows, "id", "status", "error_message", "delivery_id") == [
        (event_id(1), status, error, None)
    ]


HANDED = DeliveryHandedOver(**FIELDS, provider="p", attempt=1, simulated=False, external_id="SM1")
SIMULATED = DeliveryHandedOver(**FIELDS, provider="none", attempt=1, simulated=True)


@pytest.mark.parametrize(
    ("events", "status", "external", "error"),
    [
        ((HANDED,), "sent", "SM1", None),
        ((SIMULATED,), "simulated", None, None),
        ((DeliveryHeld(**FIELDS, reason="quiet_hours"),), "held", None, "quiet_hours"),
        ((DeliveryHeld(**FIELDS, reason="quiet_hours"), HANDED), "sent", "SM1", None),
        ((HANDED, DeliveryDelivered(**FIELDS)), "delivered", "SM1", None),
        ((HANDED, DeliveryFailed(**FIELDS, reason="no such number")), "failed", "SM1",
         "no such number"),
        ((DeliverySkipped(**FIELDS, reason="no_consent", detail="withdrawn"),), "skipped", None,
         "no_consent: withdrawn"),
        ((DeliveryUnknown(**FIELDS, attempt=1, detail="crashed"),), "unknown", None, "crashed"),
        ((DeliveryUnknown(**FIELDS, attempt=1),
          DeliveryReconciled(**FIELDS, outcome=ReconciledOutcome.DELIVERED, external_id="SM2")),
         "delivered", "SM2", None),
        ((DeliveryUnknown(**FIELDS, attempt=1),
          DeliveryReconciled(**FIELDS, outcome=ReconciledOutcome.NEVER_SENT)), "failed", None,
         "it was never sent"),
    ],
)  # fmt: skip
def test_delivery_events_set_status_provider_id_and_error(
    events: tuple[Event, ...], status: str, external: str | None, error: str | None
) -> None:
    rows = rows_of(projection, REACHED, PLANNED, *events)
    assert only(rows, "status", "external_id", "error_message") == [(status, external, error)]


def test_a_hand_over_sets_the_execution_time() -> None:
    assert only(rows_of(projection, REACHED, PLANNED, HANDED), "executed_at") == [(at(3),)]


def test_a_message_without_a_run_has_no_row() -> None:
    manual = FIELDS | {"run_id": None, "step_number": None, "purpose": DeliveryPurpose.MANUAL}
    planned = DeliveryPlanned(**manual, due_at=NOON)
    assert rows_of(projection, planned, DeliveryFailed(**manual, reason="x")) == []


@pytest.mark.parametrize(
    ("outcome", "action", "status"),
    [
        (StepOutcome.DONE, StepAction.BRANCH, "done"),
        (StepOutcome.WAITING, StepAction.WAIT_FOR_EVENT, "waiting"),
    ],
)
def test_a_step_that_chooses_or_waits_has_a_row_with_its_choice_and_task(
    outcome: StepOutcome, action: StepAction, status: str
) -> None:
    task = UUID(int=99)
    rows = rows_of(projection, step_reached(outcome, action, choice="then", task_id=task))
    assert only(rows, "status", "choice", "task_id") == [(status, "then", task)]
