"""What became of a record: taken in, known already, waiting, or refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from events.record import NewEvent, Stream
from services.intake.raw_record import Received
from services.intake.rejection import Reason, Refused


class Fate(StrEnum):
    """Every record has exactly one."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    WAITING = "waiting"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The fate of a record; `subject` is what it waits for, `reason` why it is dead."""

    fate: Fate
    event_id: UUID | None = None
    org_id: UUID | None = None
    property_id: UUID | None = None
    subject: Stream | None = None
    reason: str = ""
    detail: str = ""


@dataclass(slots=True)
class Item:
    """A record on its way through the door, the fact it says, and, at the end, its fate."""

    record: Received
    outcome: Outcome | None = None
    new: NewEvent | None = None
    needs: Sequence[Stream] = ()

    @property
    def recorded(self) -> NewEvent:
        if self.new is None:
            raise RuntimeError(f"record {self.record.id} has not been read")
        return self.new

    def accept(self, *, known: bool) -> None:
        self._end(Fate.DUPLICATE if known else Fate.ACCEPTED)

    def wait(self, subject: Stream) -> None:
        self._end(Fate.WAITING, subject=subject)

    def refuse(self, error: Refused) -> None:
        self._end(Fate.DEAD, reason=error.reason, detail=error.detail)

    def give_up(self, reason: Reason, detail: str) -> None:
        self._end(Fate.DEAD, reason=reason.value, detail=detail)

    def _end(
        self, fate: Fate, *, subject: Stream | None = None, reason: str = "", detail: str = ""
    ) -> None:
        new = self.new
        self.outcome = Outcome(
            fate,
            new.id if new else None,
            new.org_id if new else None,
            new.property_id if new else None,
            subject,
            reason,
            detail,
        )
