"""The decider of hand-overs: what becomes of a planned message, from the claim to the result.

`docs/decisions/0024-a-message-is-claimed-in-the-log-before-it-is-handed-over.md` explains it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias, assert_never
from uuid import UUID

from events.deliveries import (
    DeliveryClaimed,
    DeliveryDelivered,
    DeliveryFailed,
    DeliveryHandedOver,
    DeliveryHeld,
    DeliveryReconciled,
    DeliveryReleased,
    DeliverySkipped,
    DeliveryUnknown,
    ReconciledOutcome,
)
from events.event import Event
from events.record import Stream
from services.deciders.decider import Decider, Refused, UnknownSubject
from services.deciders.delivery_state import OPEN, Delivery, DeliveryStatus, evolve, identity_of

TAKEN_AFTER_ALL = "the provider took the message, its answer came late"
REPORTED = "the provider reported it"


@dataclass(frozen=True, slots=True)
class HoldDelivery:
    """Postpone a message because of a rule. The same reason again is no new event."""

    delivery_id: UUID
    reason: str
    held_until: datetime
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SkipDelivery:
    """Give a message up because of a rule, or because a person (`skipped_by`) cancelled it."""

    delivery_id: UUID
    reason: str
    detail: str | None = None
    values: Mapping[str, Any] | None = None
    skipped_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class ClaimDelivery:
    """Let one sender make the one request of an attempt until `lease_until`."""

    delivery_id: UUID
    provider: str
    lease_until: datetime
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RecordHandOver:
    """The provider took the message over, or nothing was sent because it is simulated."""

    delivery_id: UUID
    attempt: int
    provider: str
    simulated: bool
    external_id: str | None
    recipient: str
    subject: str | None
    body: str


@dataclass(frozen=True, slots=True)
class RecordRejection:
    """The provider refused the message for good."""

    delivery_id: UUID
    attempt: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReleaseClaim:
    """The provider certainly did not get the message: try again at `next_attempt_at`."""

    delivery_id: UUID
    attempt: int
    reason: str
    detail: str | None
    next_attempt_at: datetime


@dataclass(frozen=True, slots=True)
class MarkUnknown:
    """No result of an attempt came: it is unknown whether the provider got the message."""

    delivery_id: UUID
    attempt: int
    detail: str


@dataclass(frozen=True, slots=True)
class ReportDelivery:
    """The provider reported afterwards that the message arrived, or that it did not (`reason`)."""

    delivery_id: UUID
    arrived: bool
    external_id: str | None = None
    reason: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class ReconcileDelivery:
    """Settle an unknown hand-over."""

    delivery_id: UUID
    outcome: ReconciledOutcome
    external_id: str | None = None
    detail: str | None = None
    reconciled_by: UUID | None = None


Result: TypeAlias = RecordHandOver | RecordRejection | ReleaseClaim | MarkUnknown
Command: TypeAlias = (
    HoldDelivery | SkipDelivery | ClaimDelivery | Result | ReportDelivery | ReconcileDelivery
)


def streams(command: Command) -> Sequence[Stream]:
    return [Stream("delivery", command.delivery_id)]


def decide(command: Command, state: Delivery) -> list[Event]:
    if state.planned is None:
        raise UnknownSubject(Stream("delivery", command.delivery_id))
    identity = identity_of(state.planned)
    match command:
        case HoldDelivery():
            _require_open(state)
            if (state.status, state.reason) == (DeliveryStatus.HELD, command.reason):
                return []
            return [DeliveryHeld(
                **identity, reason=command.reason, held_until=command.held_until,
                values=dict(command.values),
            )]  # fmt: skip
        case SkipDelivery():
            _require_open(state)
            return [DeliverySkipped(
                **identity, reason=command.reason, detail=command.detail,
                values=None if command.values is None else dict(command.values),
                skipped_by=command.skipped_by,
            )]  # fmt: skip
        case ClaimDelivery():
            _require_open(state)
            return [DeliveryClaimed(
                **identity, attempt=state.attempt + 1, provider=command.provider,
                lease_until=command.lease_until, values=dict(command.values),
            )]  # fmt: skip
        case RecordHandOver() | RecordRejection() | ReleaseClaim() | MarkUnknown():
            return _record_result(command, state, identity)
        case ReportDelivery():
            return _report(command, state, identity)
        case ReconcileDelivery():
            if state.status is not DeliveryStatus.UNKNOWN:
                raise Refused("delivery_state", f"only an unknown message can be reconciled, "
                              f"this one is {state.status}")  # fmt: skip
            return [DeliveryReconciled(
                **identity, outcome=command.outcome, external_id=command.external_id,
                detail=command.detail, reconciled_by=command.reconciled_by,
            )]  # fmt: skip
        case _:
            assert_never(command)


def _require_open(state: Delivery) -> None:
    if state.status not in OPEN:
        raise Refused("delivery_state", f"the message is already {state.status}: it stays so")


def _record_result(command: Result, state: Delivery, identity: dict[str, Any]) -> list[Event]:
    """Return the event of the result of an attempt; a result after the lease reconciles it."""
    if state.attempt != command.attempt:
        return []
    if state.is_unsettled:
        return _reconcile_late(command, identity)
    if state.status is not DeliveryStatus.CLAIMED:
        return []
    match command:
        case RecordHandOver():
            return [DeliveryHandedOver(
                **identity, provider=command.provider, attempt=command.attempt,
                simulated=command.simulated, external_id=command.external_id,
                recipient=command.recipient, subject=command.subject, body=command.body,
            )]  # fmt: skip
        case RecordRejection():
            return [DeliveryFailed(
                **identity, reason=command.reason, code=command.code, attempt=command.attempt,
            )]  # fmt: skip
        case ReleaseClaim():
            return [DeliveryReleased(
                **identity, attempt=command.attempt, reason=command.reason, detail=command.detail,
                next_attempt_at=command.next_attempt_at,
            )]  # fmt: skip
        case MarkUnknown():
            return [DeliveryUnknown(
                **identity, attempt=command.attempt, detail=command.detail,
            )]  # fmt: skip
        case _:
            assert_never(command)


def _reconcile_late(command: Result, identity: dict[str, Any]) -> list[Event]:
    match command:
        case RecordHandOver():
            return [DeliveryReconciled(
                **identity, outcome=ReconciledOutcome.DELIVERED, external_id=command.external_id,
                detail=TAKEN_AFTER_ALL,
            )]  # fmt: skip
        case RecordRejection():
            return [DeliveryReconciled(
                **identity, outcome=ReconciledOutcome.FAILED, detail=command.reason,
            )]  # fmt: skip
        case ReleaseClaim():
            return [DeliveryReconciled(
                **identity, outcome=ReconciledOutcome.NEVER_SENT, detail=command.detail,
            )]  # fmt: skip
        case MarkUnknown():  # it is marked already
            return []
        case _:
            assert_never(command)


def _report(command: ReportDelivery, state: Delivery, identity: dict[str, Any]) -> list[Event]:
    """Return the events of a report. It may come before the answer to the request itself.

    A message that was never claimed was never sent: such a report is not about it. A report about
    a released one shows that the provider got it: it is not sent again.
    """
    if not state.attempt or state.is_simulated:
        return []
    if state.is_unsettled:
        return [DeliveryReconciled(
            **identity, external_id=command.external_id, detail=command.reason or REPORTED,
            outcome=ReconciledOutcome.DELIVERED if command.arrived else ReconciledOutcome.FAILED,
        )]  # fmt: skip
    if state.status not in (DeliveryStatus.CLAIMED, DeliveryStatus.HANDED_OVER, *OPEN):
        return []
    events: list[Event] = []
    if state.status is not DeliveryStatus.HANDED_OVER:
        events.append(DeliveryHandedOver(
            **identity, provider=state.provider or "unknown", attempt=state.attempt,
            simulated=False, external_id=command.external_id,
        ))  # fmt: skip
    if command.arrived:
        return [*events, DeliveryDelivered(**identity, external_id=command.external_id)]
    return [*events, DeliveryFailed(
        **identity, reason=command.reason or "the provider reported that it did not arrive",
        code=command.code, external_id=command.external_id,
    )]  # fmt: skip


decider: Decider[Command, Delivery] = Decider(
    "delivery",
    (
        HoldDelivery, SkipDelivery, ClaimDelivery, RecordHandOver, RecordRejection, ReleaseClaim,
        MarkUnknown, ReportDelivery, ReconcileDelivery,
    ),
    streams, Delivery(), evolve, decide,
)  # fmt: skip
