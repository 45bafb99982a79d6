"""Leads: people who left a way to reach them, from the first contact to the lease.

Names, e-mail, phone and notes are personal and may be erased; what scoring needs of them is kept
in clear flags (`has_email` …), filled in from the values wherever they are left out.
"""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import Field, model_validator

from events.contact_flags import HasFlag, set_flags
from events.event import Event, Foreign, Intake, Personal
from events.fields import Body, Day, Flag, Instant, Line, Text, Word


class LeadStatus(StrEnum):
    """Where a lead stands on the way to a lease."""

    NEW = "new"
    CONTACTED = "contacted"
    TOUR_BOOKED = "tour_booked"
    TOURED = "toured"
    APPLIED = "applied"
    QUALIFIED = "qualified"
    LEASED = "leased"
    LOST = "lost"


class ContactChannel(StrEnum):
    """How somebody of the property reached a lead."""

    SMS = "sms"
    EMAIL = "email"
    CALL = "call"
    CHAT = "chat"
    IN_PERSON = "in_person"


class _LeadEvent(Event):
    """The stream of one lead."""

    stream: ClassVar[str] = "lead"
    entity: ClassVar[str] = "lead_id"

    lead_id: UUID


class LeadArrived(_LeadEvent):
    """What captured, imported and adopted leads have in common: who it is, what it looks for."""

    status: LeadStatus = LeadStatus.NEW
    source: Line | None = None
    first_name: Annotated[Line | None, Personal("lead_id")] = None
    last_name: Annotated[Line | None, Personal("lead_id")] = None
    email: Annotated[Line | None, Personal("lead_id")] = None
    phone: Annotated[Line | None, Personal("lead_id")] = None
    move_in_date: Day | None = None
    bedrooms: Line | None = None
    notes: Annotated[Body | None, Personal("lead_id")] = None
    has_first_name: HasFlag = False
    has_last_name: HasFlag = False
    has_email: HasFlag = False
    has_phone: HasFlag = False

    @model_validator(mode="after")
    def _flagged(self) -> Self:
        set_flags(self, every=True)
        return self


class LeadCaptured(LeadArrived):
    """A new lead, by the widget, the console or another producer."""

    name: ClassVar[str] = "lead.captured"
    intake: ClassVar[Intake] = Intake.DECIDED

    session_id: UUID | None = None
    captured_by: Foreign | None = None


class LeadImported(LeadArrived):
    """A lead of another system; `external_id` is what it is called there, unique per property."""

    name: ClassVar[str] = "lead.imported"

    external_id: Line


class LeadAdopted(LeadArrived):
    """A lead of the host's own: it had it when the core was installed, or made it afterwards."""

    name: ClassVar[str] = "lead.adopted"

    status: LeadStatus
    last_contacted_at: Instant | None = None
    updated_at: Instant | None = None


class LeadUpdated(_LeadEvent):
    """Details of a lead were changed: a field that is absent stays as it was, null empties it.

    Only the host says `last_contacted_at` and `updated_at`, where it set them in its own table.
    """

    name: ClassVar[str] = "lead.updated"
    intake: ClassVar[Intake] = Intake.DECIDED

    updated_by: Foreign | None = None
    source: Line | None = None
    first_name: Annotated[Line | None, Personal("lead_id")] = None
    last_name: Annotated[Line | None, Personal("lead_id")] = None
    email: Annotated[Line | None, Personal("lead_id")] = None
    phone: Annotated[Line | None, Personal("lead_id")] = None
    move_in_date: Day | None = None
    bedrooms: Line | None = None
    notes: Annotated[Body | None, Personal("lead_id")] = None
    last_contacted_at: Instant | None = None
    updated_at: Instant | None = None
    has_first_name: Flag | None = None
    has_last_name: Flag | None = None
    has_email: Flag | None = None
    has_phone: Flag | None = None

    @model_validator(mode="after")
    def _flagged(self) -> Self:
        set_flags(self, every=False)
        return self

    @property
    def changes(self) -> dict[str, Any]:
        """Field → its new value, for what was changed only."""
        changed = self.model_fields_set - {"lead_id", "updated_by"}
        return {field: getattr(self, field) for field in sorted(changed)}


class LeadContacted(_LeadEvent):
    """Somebody of the property reached out to the lead."""

    name: ClassVar[str] = "lead.contacted"

    channel: ContactChannel
    contacted_by: Foreign | None = None
    delivery_id: Foreign | None = None


class LeadStatusChanged(_LeadEvent):
    """The lead moved on; `previous_status` is the one it had."""

    name: ClassVar[str] = "lead.status_changed"
    intake: ClassVar[Intake] = Intake.DECIDED

    status: LeadStatus
    previous_status: LeadStatus | None = None
    reason: Text | None = None
    changed_by: Foreign | None = None


class LeadNoted(_LeadEvent):
    """Somebody wrote a note about the lead."""

    name: ClassVar[str] = "lead.noted"
    intake: ClassVar[Intake] = Intake.DECIDED

    note: Annotated[Body, Personal("lead_id")]
    noted_by: Foreign | None = None


class LeadMerged(Event):
    """Two leads are one person: the loser points to the winner, whose id is used from now on.

    `filled` are the details that the winner lacked and takes from the loser with it.
    """

    name: ClassVar[str] = "lead.merged"
    stream: ClassVar[str] = "lead"
    entity: ClassVar[str] = "loser_id"

    loser_id: UUID
    winner_id: UUID
    reason: Word | None = None
    merged_by: Foreign | None = None
    filled: Annotated[tuple[Word, ...], Field(max_length=50)] = ()

    @property
    def lead(self) -> UUID | None:
        return self.loser_id


class LeadUnmerged(Event):
    """The merge was a mistake: the loser is a lead of its own again."""

    name: ClassVar[str] = "lead.unmerged"
    stream: ClassVar[str] = "lead"
    entity: ClassVar[str] = "loser_id"

    loser_id: UUID
    winner_id: UUID
    reason: Text | None = None
    unmerged_by: Foreign | None = None

    @property
    def lead(self) -> UUID | None:
        return self.loser_id


class LeadErased(_LeadEvent):
    """The personal data of the lead was made unreadable, at its wish or by law."""

    name: ClassVar[str] = "lead.erased"

    reason: Text | None = None
    erased_by: Foreign | None = None
