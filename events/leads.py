"""Leads: persons with contact details who may lease.

Names, e-mail, phone and notes are personal fields and can be erased. What scoring needs of them is
in separate flags in clear text (`has_email` …), which are derived from the values.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import Field, model_validator

from events.contact_flags import HasFlag, set_flags
from events.event import ChangeEvent, Event, Foreign, Intake, Personal
from events.fields import Body, Day, Flag, Instant, Line, Text


class LeadStatus(StrEnum):
    """The status of a lead on the way to a lease."""

    NEW = "new"
    CONTACTED = "contacted"
    TOUR_BOOKED = "tour_booked"
    TOURED = "toured"
    APPLIED = "applied"
    QUALIFIED = "qualified"
    LEASED = "leased"
    LOST = "lost"


class ContactChannel(StrEnum):
    """The medium through which the property contacted a lead."""

    SMS = "sms"
    EMAIL = "email"
    CALL = "call"
    CHAT = "chat"
    IN_PERSON = "in_person"


class _LeadEvent(Event):
    """An event of a lead."""

    stream: ClassVar[str] = "lead"
    entity: ClassVar[str] = "lead_id"
    requires: ClassVar[Mapping[str, str]] = {"lead_id": "lead"}

    lead_id: UUID


class LeadArrived(_LeadEvent):
    """The common fields of captured, imported and adopted leads."""

    begins: ClassVar[bool] = True
    requires: ClassVar[Mapping[str, str]] = {}

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
    def _derive_flags(self) -> Self:
        set_flags(self, is_partial=False)
        return self


class LeadCaptured(LeadArrived):
    """A new lead was captured by the widget, the console or another producer."""

    name: ClassVar[str] = "lead.captured"
    intake: ClassVar[Intake] = Intake.DECIDED
    requires: ClassVar[Mapping[str, str]] = {"session_id": "session"}

    session_id: UUID | None = None
    captured_by: Foreign | None = None


class LeadImported(LeadArrived):
    """A lead was imported from another system."""

    name: ClassVar[str] = "lead.imported"

    external_id: Annotated[
        Line, Field(description="Id in the other system, unique in the property.")
    ]


class LeadAdopted(LeadArrived):
    """A lead of the host was adopted, from a row that the host wrote."""

    name: ClassVar[str] = "lead.adopted"

    status: LeadStatus
    last_contacted_at: Instant | None = None
    updated_at: Instant | None = None


class LeadUpdated(ChangeEvent, _LeadEvent):
    """Details of a lead were changed: an absent field is unchanged, null clears it.

    Only writes of the host set `last_contacted_at` and `updated_at`.
    """

    name: ClassVar[str] = "lead.updated"
    intake: ClassVar[Intake] = Intake.DECIDED
    unchanging: ClassVar[frozenset[str]] = frozenset({"lead_id", "updated_by"})

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
    def _derive_flags(self) -> Self:
        set_flags(self, is_partial=True)
        return self


class LeadContacted(_LeadEvent):
    """The property contacted the lead."""

    name: ClassVar[str] = "lead.contacted"
    planned: ClassVar[bool] = True

    channel: ContactChannel
    contacted_by: Foreign | None = None
    delivery_id: Foreign | None = None


class LeadStatusChanged(_LeadEvent):
    """The status of the lead changed."""

    name: ClassVar[str] = "lead.status_changed"
    intake: ClassVar[Intake] = Intake.DECIDED

    status: LeadStatus
    previous_status: LeadStatus | None = None
    reason: Text | None = None
    changed_by: Foreign | None = None


class LeadNoted(_LeadEvent):
    """A note about the lead was written."""

    name: ClassVar[str] = "lead.noted"
    intake: ClassVar[Intake] = Intake.DECIDED

    note: Annotated[Body, Personal("lead_id")]
    noted_by: Foreign | None = None


class LeadErased(_LeadEvent):
    """The personal data of the lead was erased."""

    name: ClassVar[str] = "lead.erased"
    planned: ClassVar[bool] = True

    reason: Text | None = None
    erased_by: Foreign | None = None
