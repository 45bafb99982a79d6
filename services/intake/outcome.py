"""The outcome of an intake record: accepted, duplicate, pending or dead."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from events.record import NewEvent, Stream
from services.intake.raw_record import RawRecord
from services.intake.rejection import RejectedRecord


class IntakeStatus(StrEnum):
    """The state in which a record ends: every record has exactly one."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    WAITING = "waiting"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class IntakeOutcome:
    """The status of a record, with the subject it waits for or the reason of its rejection."""

    status: IntakeStatus
    event_id: UUID | None = None
    org_id: UUID | None = None
    property_id: UUID | None = None
    subject: Stream | None = None
    reason: str = ""
    detail: str = ""


@dataclass(slots=True)
class IntakeItem:
    """A record on its way through the intake: its event, the subjects, and at the end the outcome.

    `new` is None until the record has been read, and for ever if it cannot be read.
    """

    record: RawRecord
    outcome: IntakeOutcome | None = None
    new: NewEvent | None = None
    subjects: Sequence[Stream] = ()

    @property
    def new_event(self) -> NewEvent:
        """Return the event. Raise `RuntimeError` if the record has not been read."""
        if self.new is None:
            raise RuntimeError(f"record {self.record.id} has not been read")
        return self.new

    def accept(self, *, is_duplicate: bool) -> None:
        self._end(IntakeStatus.DUPLICATE if is_duplicate else IntakeStatus.ACCEPTED)

    def wait_for(self, subject: Stream) -> None:
        self._end(IntakeStatus.WAITING, subject=subject)

    def reject(self, error: RejectedRecord) -> None:
        self._end(IntakeStatus.DEAD, reason=error.reason, detail=error.detail)

    def _end(
        self,
        status: IntakeStatus,
        *,
        subject: Stream | None = None,
        reason: str = "",
        detail: str = "",
    ) -> None:
        new = self.new
        self.outcome = IntakeOutcome(
            status,
            new.id if new else None,
            new.org_id if new else None,
            new.property_id if new else None,
            subject,
            reason,
            detail,
        )


def wait_if_blocked(item: IntakeItem, property_id: UUID, blocked: dict[UUID, Stream]) -> bool:
    """Let the item wait if another record waits for one of its subjects; return whether it does."""
    for key in (property_id, *(stream.entity_id for stream in item.subjects)):
        if subject := blocked.get(key):
            item.wait_for(subject)
            return True
    return False


def add_blocked(items: Iterable[IntakeItem], blocked: dict[UUID, Stream]) -> None:
    """Add the subjects that these items wait for, so that later records queue up behind them."""
    for item in items:
        if item.outcome and item.outcome.subject:
            blocked[item.outcome.subject.entity_id] = item.outcome.subject
