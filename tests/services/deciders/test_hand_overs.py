"""The decider of hand-overs: every status, and every result that comes early, late or twice."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from events.deliveries import (
    DeliveryChannel,
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
    ReconciledOutcome,
)
from events.event import Event
from services.deciders.hand_overs import (
    ClaimDelivery,
    HoldDelivery,
    MarkUnknown,
    ReconcileDelivery,
    RecordHandOver,
    RecordRejection,
    ReleaseClaim,
    ReportDelivery,
    SkipDelivery,
)
from tests.services.deciders.given import given

MESSAGE, LEAD, ANN = uuid4(), uuid4(), uuid4()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=4)
IDENTITY: dict[str, Any] = {
    "delivery_id": MESSAGE, "lead_id": LEAD, "channel": DeliveryChannel.SMS,
    "purpose": DeliveryPurpose.MANUAL,
}  # fmt: skip
PLANNED = DeliveryPlanned(**IDENTITY, due_at=NOON, recipient="+15125550123", body="Hi")
HELD = DeliveryHeld(**IDENTITY, reason="quiet_hours", held_until=LATER, values={})
CLAIMED = DeliveryClaimed(**IDENTITY, attempt=1, provider="twilio", lease_until=LATER, values={})
RELEASED = DeliveryReleased(**IDENTITY, attempt=1, reason="busy", next_attempt_at=LATER)
HANDED_OVER = DeliveryHandedOver(
    **IDENTITY, provider="twilio", attempt=1, simulated=False, external_id="SM1",
    recipient="+15125550123", body="Hi",
)  # fmt: skip
SIMULATED = DeliveryHandedOver(**IDENTITY, provider="simulated", attempt=1, simulated=True)
UNKNOWN = DeliveryUnknown(**IDENTITY, attempt=1, detail="no answer")
NEVER_SENT = DeliveryReconciled(**IDENTITY, outcome=ReconciledOutcome.NEVER_SENT)
ARRIVED = DeliveryReconciled(**IDENTITY, outcome=ReconciledOutcome.DELIVERED)
SKIPPED = DeliverySkipped(**IDENTITY, reason="no_consent")
DELIVERED = DeliveryDelivered(**IDENTITY)
FAILED = DeliveryFailed(**IDENTITY, reason="no such number", code="30003", attempt=1)

HOLD = HoldDelivery(MESSAGE, "quiet_hours", LATER, {})
SKIP = SkipDelivery(MESSAGE, "cancelled", skipped_by=ANN)
CLAIM = ClaimDelivery(MESSAGE, "twilio", LATER, {})
TAKEN = RecordHandOver(MESSAGE, 1, "twilio", False, "SM1", "+15125550123", None, "Hi")
REJECTED = RecordRejection(MESSAGE, 1, "30003", "no such number")
RELEASE = ReleaseClaim(MESSAGE, 1, "busy", None, LATER)
LOST = MarkUnknown(MESSAGE, 1, "no answer")
ARRIVAL = ReportDelivery(MESSAGE, True, "SM1")
BOUNCE = ReportDelivery(MESSAGE, False, "SM1", "mailbox full", "552")
SETTLE = ReconcileDelivery(MESSAGE, ReconciledOutcome.FAILED, None, "the log of the provider", ANN)

OPEN_STATES = {
    "planned": (PLANNED,), "held": (PLANNED, HELD), "released": (PLANNED, CLAIMED, RELEASED),
}  # fmt: skip
CLOSED_STATES = {
    "claimed": (PLANNED, CLAIMED),
    "handed over": (PLANNED, CLAIMED, HANDED_OVER),
    "simulated": (PLANNED, CLAIMED, SIMULATED),
    "delivered": (PLANNED, CLAIMED, HANDED_OVER, DELIVERED),
    "failed": (PLANNED, CLAIMED, FAILED),
    "unknown": (PLANNED, CLAIMED, UNKNOWN),
    "reconciled": (PLANNED, CLAIMED, UNKNOWN, NEVER_SENT),
    "skipped": (PLANNED, SKIPPED),
}


@pytest.mark.parametrize("before", OPEN_STATES.values(), ids=OPEN_STATES)
def test_an_open_message_can_be_claimed_or_cancelled(before: tuple[Event, ...]) -> None:
    attempt = 1 + before.count(CLAIMED)
    given(*before).when(CLAIM).then(CLAIMED.model_copy(update={"attempt": attempt}))
    given(*before).when(SKIP).then(DeliverySkipped(**IDENTITY, reason="cancelled", skipped_by=ANN))


@pytest.mark.parametrize("before", CLOSED_STATES.values(), ids=CLOSED_STATES)
@pytest.mark.parametrize("command", [HOLD, SKIP, CLAIM], ids=["hold", "skip", "claim"])
def test_a_message_that_is_leaving_or_final_stays_so(
    before: tuple[Event, ...], command: object
) -> None:
    given(*before).when(command).refused("delivery_state", 409)


@pytest.mark.parametrize(
    "command", [HOLD, SKIP, CLAIM, TAKEN, REJECTED, RELEASE, LOST, ARRIVAL, SETTLE]
)
def test_a_message_that_was_not_planned_is_unknown(command: object) -> None:
    given().when(command).refused("unknown_subject", 404)


def test_the_same_reason_again_is_no_new_event() -> None:
    given(PLANNED).when(HOLD).then(HELD)
    given(PLANNED, HELD).when(HOLD).then()
    other = HoldDelivery(MESSAGE, "stopped", LATER, {})
    held = DeliveryHeld(**IDENTITY, reason="stopped", held_until=LATER, values={})
    given(PLANNED, HELD).when(other).then(held)


RESULTS: dict[str, tuple[object, Event, ReconciledOutcome | None]] = {
    "taken": (TAKEN, HANDED_OVER, ReconciledOutcome.DELIVERED),
    "rejected": (REJECTED, FAILED, ReconciledOutcome.FAILED),
    "released": (RELEASE, RELEASED, ReconciledOutcome.NEVER_SENT),
    "lost": (LOST, UNKNOWN, None),
}


@pytest.mark.parametrize(("command", "event", "outcome"), RESULTS.values(), ids=RESULTS)
def test_a_result_is_recorded_once_and_reconciles_when_it_comes_late(
    command: object, event: Event, outcome: ReconciledOutcome | None
) -> None:
    given(PLANNED, CLAIMED).when(command).then(event)
    for before in (*CLOSED_STATES.values(), *OPEN_STATES.values()):
        if before[-1] not in (CLAIMED, UNKNOWN, NEVER_SENT):
            given(*before).when(command).then()
    for unsettled in ((PLANNED, CLAIMED, UNKNOWN), (PLANNED, CLAIMED, UNKNOWN, NEVER_SENT)):
        decided = given(*unsettled).when(command).events
        assert [e.outcome for e in decided if isinstance(e, DeliveryReconciled)] == (
            [outcome] if outcome else []
        )


def test_a_result_of_an_earlier_attempt_changes_nothing() -> None:
    again = CLAIMED.model_copy(update={"attempt": 2})
    for command, _, _ in RESULTS.values():
        given(PLANNED, CLAIMED, RELEASED, again).when(command).then()


REPORTED = DeliveryHandedOver(
    **IDENTITY, provider="twilio", attempt=1, simulated=False, external_id="SM1"
)
DELIVERED_NOW = DeliveryDelivered(**IDENTITY, external_id="SM1")
FAILED_NOW = DeliveryFailed(**IDENTITY, reason="mailbox full", code="552", external_id="SM1")


def test_a_report_may_come_before_the_answer_to_the_request() -> None:
    given(PLANNED, CLAIMED).when(ARRIVAL).then(REPORTED, DELIVERED_NOW)
    given(PLANNED, CLAIMED).when(BOUNCE).then(REPORTED, FAILED_NOW)
    given(PLANNED, CLAIMED, REPORTED, DELIVERED_NOW).when(TAKEN).then()


def test_a_message_that_arrived_after_all_is_not_sent_again() -> None:
    given(PLANNED, CLAIMED, RELEASED).when(ARRIVAL).then(REPORTED, DELIVERED_NOW)
    given(PLANNED, CLAIMED, RELEASED, REPORTED, DELIVERED_NOW).when(CLAIM).refused("delivery_state")


def test_a_report_counts_once_and_only_for_a_message_that_left() -> None:
    given(PLANNED, CLAIMED, HANDED_OVER).when(ARRIVAL).then(DELIVERED_NOW)
    given(PLANNED, CLAIMED, HANDED_OVER).when(BOUNCE).then(FAILED_NOW)
    final = ("delivered", "failed", "simulated", "skipped")
    for before in [(PLANNED,), (PLANNED, HELD), *(CLOSED_STATES[name] for name in final)]:
        given(*before).when(ARRIVAL).then()
        given(*before).when(BOUNCE).then()
    given(PLANNED, CLAIMED, UNKNOWN, ARRIVED).when(BOUNCE).then()


def test_a_report_settles_an_unknown_hand_over() -> None:
    for before in ((PLANNED, CLAIMED, UNKNOWN), (PLANNED, CLAIMED, UNKNOWN, NEVER_SENT)):
        given(*before).when(ARRIVAL).then(DeliveryReconciled(
            **IDENTITY, outcome=ReconciledOutcome.DELIVERED, external_id="SM1",
            detail="the provider reported it",
        ))  # fmt: skip
        given(*before).when(BOUNCE).then(DeliveryReconciled(
            **IDENTITY, outcome=ReconciledOutcome.FAILED, external_id="SM1", detail="mailbox full"
        ))  # fmt: skip


def test_a_person_settles_only_an_unknown_hand_over() -> None:
    given(PLANNED, CLAIMED, UNKNOWN).when(SETTLE).then(DeliveryReconciled(
        **IDENTITY, outcome=ReconciledOutcome.FAILED, detail="the log of the provider",
        reconciled_by=ANN,
    ))  # fmt: skip
    states = (OPEN_STATES | CLOSED_STATES).items()
    for before in [events for name, events in states if name != "unknown"]:
        given(*before).when(SETTLE).refused("delivery_state", 409)
