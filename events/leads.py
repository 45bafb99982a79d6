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
from events.fields import Body, Day, Flag, Instant, Json, Line, NotPersonal, Text, Zone


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


ContactKey = Annotated[
    Line | None,
    Personal("lead_id"),
    Field(
        description="What is compared of the value; null if it identifies nobody. The core decides "
        "it when the event is made and ignores what a producer sends."
    ),
]


MAX_ERASED_IDS = 2_000
ErasedIds = Annotated[tuple[UUID, ...], Field(max_length=MAX_ERASED_IDS)]
"""Ids of data subjects whose personal fields are erased."""
Source = Annotated[
    Line | None,
    NotPersonal("Names the way on which leads come. Scores depend on it, also after an erasure."),
]


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
    source: Source = None
    first_name: Annotated[Line | None, Personal("lead_id")] = None
    last_name: Annotated[Line | None, Personal("lead_id")] = None
    email: Annotated[Line | None, Personal("lead_id")] = None
    phone: Annotated[Line | None, Personal("lead_id")] = None
    move_in_date: Day | None = None
    bedrooms: Annotated[Line | None, Personal("lead_id")] = None
    notes: Annotated[Body | None, Personal("lead_id")] = None
    email_key: ContactKey = None
    phone_key: ContactKey = None
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
    version: ClassVar[int] = 2
    intake: ClassVar[Intake] = Intake.DECIDED
    requires: ClassVar[Mapping[str, str]] = {"session_id": "session"}

    session_id: UUID | None = None
    captured_by: Foreign | None = None


class LeadImported(LeadArrived):
    """A lead was imported from another system."""

    name: ClassVar[str] = "lead.imported"
    version: ClassVar[int] = 3

    external_id: Annotated[
        Line,
        Personal("lead_id"),
        Field(description="Id in the other system, unique in the property."),
    ]
    metadata: Annotated[
        Json,
        Personal("lead_id"),
        Field(description="What else the other system had about the lead, such as tags."),
    ] = Field(default_factory=dict)


class LeadAdopted(LeadArrived):
    """A lead of the host was adopted, from a row that the host wrote."""

    name: ClassVar[str] = "lead.adopted"
    version: ClassVar[int] = 2

    status: LeadStatus
    last_contacted_at: Instant | None = None
    updated_at: Instant | None = None


class LeadUpdated(ChangeEvent, _LeadEvent):
    """Details of a lead were changed: an absent field is unchanged, null clears it.

    Only writes of the host set `last_contacted_at` and `updated_at`.
    """

    name: ClassVar[str] = "lead.updated"
    version: ClassVar[int] = 2
    intake: ClassVar[Intake] = Intake.DECIDED
    unchanging: ClassVar[frozenset[str]] = frozenset(
        {"lead_id", "updated_by", "email_key", "phone_key"}
    )

    updated_by: Foreign | None = None
    source: Source = None
    first_name: Annotated[Line | None, Personal("lead_id")] = None
    last_name: Annotated[Line | None, Personal("lead_id")] = None
    email: Annotated[Line | None, Personal("lead_id")] = None
    phone: Annotated[Line | None, Personal("lead_id")] = None
    move_in_date: Day | None = None
    bedrooms: Annotated[Line | None, Personal("lead_id")] = None
    notes: Annotated[Body | None, Personal("lead_id")] = None
    email_key: ContactKey = None
    phone_key: ContactKey = None
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


class LeadZoneSet(_LeadEvent):
    """The time zone in which the lead lives became known; messages leave in its daytime."""

    name: ClassVar[str] = "lead.zone_set"

    lead_zone: Annotated[
        Zone | None,
        Field(description="IANA time zone; null: unknown, then that of the phone number counts."),
    ]
    set_by: Foreign | None = None


class LeadContacted(_LeadEvent):
    """The property contacted the lead."""

    name: ClassVar[str] = "lead.contacted"

    channel: ContactChannel
    contacted_by: Foreign | None = None
    delivery_id: Foreign | None = None


class LeadStatusChanged(_LeadEvent):
    """The status of the lead changed."""

    name: ClassVar[str] = "lead.status_changed"
    intake: ClassVar[Intake] = Intake.DECIDED

    status: LeadStatus
    previous_status: LeadStatus | None = None
    reason: Annotated[Text | None, Personal("lead_id")] = None
    changed_by: Foreign | None = None


class LeadAssigned(_LeadEvent):
    """An agent became responsible for the lead, or nobody is."""

    name: ClassVar[str] = "lead.assigned"
    intake: ClassVar[Intake] = Intake.DECIDED

    assigned_agent_id: Annotated[
        Foreign | None, Field(description="Profile id of the agent; null if nobody is assigned.")
    ]
    assigned_by: Foreign | None = None


class LeadNoted(_LeadEvent):
    """A note about the lead was written."""

    name: ClassVar[str] = "lead.noted"
    intake: ClassVar[Intake] = Intake.DECIDED

    note: Annotated[Body, Personal("lead_id")]
    noted_by: Foreign | None = None


class LeadErased(_LeadEvent):
    """The personal data of the lead, of its sessions and of its conversations was erased.

    A merged lead gets an event of its own, and so does a lead with more ids than one event holds.
    """

    name: ClassVar[str] = "lead.erased"
    version: ClassVar[int] = 2
    requires: ClassVar[Mapping[str, str]] = {
        "lead_id": "lead",
        "session_ids": "session",
        "conversation_ids": "conversation",
    }
    sparse: ClassVar[frozenset[str]] = frozenset({"session_ids", "conversation_ids"})

    reason: Annotated[
        Text,
        NotPersonal("Shows after the erasure why it was necessary: evidence, without names."),
        Field(description="Reason as text, kept as evidence: without personal data."),
    ]
    session_ids: Annotated[ErasedIds, Field(description="Ids of the sessions of the lead.")] = ()
    conversation_ids: Annotated[
        ErasedIds, Field(description="Ids of the conversations of the lead.")
    ] = ()
    erased_by: Foreign | None = None

    @property
    def subjects(self) -> frozenset[UUID]:
        """Return the data subjects whose personal fields are erased."""
        return frozenset({self.lead_id, *self.session_ids, *self.conversation_ids})
