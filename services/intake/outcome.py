"""The outcome of an intake record: accepted, duplicate, pending or dead."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from events.record import NewEvent, Stream
from services.application.producer_record import ProducerRecord, RecordEdit
from services.application.raw_record import RawRecord
from services.application.rejection import RejectedRecord
from services.intake.record_label import RecordLabel, label_record

KNOWN_LEAD = "known_lead"
"""The reason code of an accepted `lead.captured` that completed a lead with another id."""


TURN = "turn"
"""The entity type of a subject that a record waits for when it is not its turn: a property."""


class IntakeStatus(StrEnum):
    """The state in which a record ends: every record has exactly one."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    WAITING = "waiting"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class IntakeOutcome:
    """The status of a record, with the subject it waits for or the reason of its rejection.

    `lead_id` is the lead of an accepted event. With the reason `known_lead` it is the lead that has
    the e-mail address already; the producer sent another id.
    """

    status: IntakeStatus
    event_id: UUID | None = None
    org_id: UUID | None = None
    property_id: UUID | None = None
    subject: Stream | None = None
    reason: str = ""
    detail: str = ""
    lead_id: UUID | None = None


@dataclass(slots=True)
class IntakeItem:
    """A record on its way through the intake: its event, the subjects, and at the end the outcome.

    `sent` is the record as its producer sent it, with its organisation. `new` is the event with
    stored ids. Both are None until the record has been read, and for ever if it cannot be read.
    """

    record: RawRecord
    outcome: IntakeOutcome | None = None
    read_label: RecordLabel | None = None
    sent: tuple[ProducerRecord, UUID] | None = None
    new: NewEvent | None = None
    subjects: Sequence[Stream] = ()

    @property
    def new_event(self) -> NewEvent:
        """Return the event. Raise `RuntimeError` if the record has not been read."""
        if self.new is None:
            raise RuntimeError(f"record {self.record.id} has not been read")
        return self.new

    @property
    def edit(self) -> RecordEdit | None:
        """Return who edited the record and why, if an operator did."""
        return None if self.sent is None else self.sent[0].edit

    @property
    def label(self) -> RecordLabel:
        """Return the attributes of the record that can be read."""
        return self.read_label or label_record(self.record)

    def accept(
        self, *, is_duplicate: bool, lead_id: UUID | None = None, is_known_lead: bool = False
    ) -> None:
        status = IntakeStatus.DUPLICATE if is_duplicate else IntakeStatus.ACCEPTED
        lead_id = lead_id or (self.new.event.lead if self.new else None)
        self._end(status, reason=KNOWN_LEAD if is_known_lead else "", lead_id=lead_id)

    def wait_for(self, subject: Stream) -> None:
        self._end(IntakeStatus.WAITING, subject=subject)

    def wait_for_turn(self) -> None:
        """Let the item wait because its organisation sends many records."""
        property_id = self.new_event.property_id
        if property_id is None:
            raise RuntimeError(f"the event of record {self.record.id} has no property")
        self.wait_for(Stream(TURN, property_id))

    def reject(self, error: RejectedRecord) -> None:
        self._end(IntakeStatus.DEAD, reason=error.reason, detail=error.detail)

    def _end(
        self,
        status: IntakeStatus,
        *,
        subject: Stream | None = None,
        reason: str = "",
        detail: str = "",
        lead_id: UUID | None = None,
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
            lead_id,
        )
