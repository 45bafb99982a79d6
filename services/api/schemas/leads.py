"""The shapes of leads, their activities and their timeline."""

from datetime import date
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import AliasChoices, ConfigDict, Field, model_validator

from events.engagements import ActivityType
from events.fields import Body, Line
from events.leads import LeadStatus
from services.api.schemas import example
from services.api.schemas.schema import Answered, AnsweredRow, Examples, Id, Instant, Sent
from services.deciders.contacts import email_of, phone_of
from services.deciders.leads import Details


class LeadSent(Sent):
    """What is known of a person. The fields may also come inside an object `leadInfo`."""

    first_name: Line | None = Field(None, validation_alias=AliasChoices("firstName", "first_name"))
    last_name: Line | None = Field(None, validation_alias=AliasChoices("lastName", "last_name"))
    email: Line | None = None
    phone: Line | None = None
    move_in_date: date | None = Field(
        None, validation_alias=AliasChoices("moveInDate", "move_in_date")
    )
    notes: Body | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, data: Any) -> Any:
        """Forms send empty texts for what was not filled in."""
        if not isinstance(data, dict):
            return data
        wrapped = data.get("leadInfo")
        whole = {**data, **wrapped} if isinstance(wrapped, dict) else data
        return {k: v for k, v in whole.items() if not (isinstance(v, str) and not v.strip())}

    def details(self, source: str, bedrooms: object, country: str | None) -> Details:
        """Normalised. Raises `Refused` for an address or number that is none."""
        return Details(
            source, self.first_name, self.last_name, email_of(self.email),
            phone_of(self.phone, country), self.move_in_date,
            None if bedrooms is None else str(bedrooms), self.notes,
        )  # fmt: skip


class WidgetLeadSent(LeadSent):
    """What a visitor leaves: at least an e-mail address or a phone number."""

    examples: ClassVar[Examples] = {
        "an address and wishes": {
            "sessionId": example.SESSION,
            "firstName": "Ada",
            "email": "ada@example.com",
            "moveInDate": "2036-06-01",
            "bedroomPreference": 2,
            "notes": "With a cat.",
        },
        "wrapped, as older clients send it": {"leadInfo": {"phone": "+1 212 555 0100"}},
    }

    session_id: Id = None
    conversation_id: Id = None
    bedroom_preference: Line | int | None = None


class ConsoleLeadSent(LeadSent):
    """What an agent enters: at least a name, an e-mail address or a phone number."""

    examples: ClassVar[Examples] = {
        "a walk-in": {
            "propertyId": example.PROPERTY,
            "firstName": "Grace",
            "email": "grace@example.com",
            "source": "Walk-in",
            "bedrooms": "2",
        }
    }

    property_id: UUID
    source: Line = "manual"
    bedrooms: Line | int | None = None


class LeadLeft(Answered):
    """The visitor is a lead now, or was one already."""

    examples: ClassVar[Examples] = {
        "a lead": {
            "success": True,
            "leadId": example.LEAD,
            "message": "Thank you! We will be in touch.",
        }
    }

    success: Literal[True]
    lead_id: UUID
    message: str


class LeadRow(AnsweredRow):
    """A lead as it is in its table."""

    id: UUID
    property_id: UUID
    source: str | None
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    status: LeadStatus
    created_at: Instant
    last_contacted_at: Instant | None
    updated_at: Instant
    org_id: UUID
    move_in_date: date | None
    bedrooms: str | None
    notes: str | None
    external_id: str | None
    merged_into: UUID | None


class LeadEntered(Answered):
    """The new lead."""

    examples: ClassVar[Examples] = {
        "a walk-in": {
            "lead": {
                "id": example.LEAD,
                "property_id": example.PROPERTY,
                "source": "Walk-in",
                "first_name": "Grace",
                "last_name": None,
                "email": "grace@example.com",
                "phone": None,
                "status": "new",
                "created_at": example.AT,
                "last_contacted_at": None,
                "updated_at": example.AT,
                "org_id": example.ORGANIZATION,
                "move_in_date": None,
                "bedrooms": "2",
                "notes": None,
                "external_id": None,
                "merged_into": None,
            }
        }
    }

    lead: LeadRow


class ActivityRow(AnsweredRow):
    """A line of a lead's activities."""

    id: UUID
    type: ActivityType
    description: str | None
    metadata: dict[str, Any]
    created_by: UUID | None
    created_at: Instant


class Activities(Answered):
    """A lead's activities, newest first."""

    examples: ClassVar[Examples] = {
        "a booked tour": {
            "activities": [
                {
                    "id": example.ROW,
                    "type": "tour_booked",
                    "description": "in_person tour on 2036-05-14 at 14:00",
                    "metadata": {"tour_id": example.TOUR},
                    "created_by": None,
                    "created_at": example.AT,
                }
            ]
        }
    }

    activities: list[ActivityRow]


class TimelineItem(Answered):
    """Something about a lead; the other fields are those of its kind, in snake_case."""

    model_config = ConfigDict(extra="allow")

    kind: Literal["activity", "engagement", "score", "message", "tour"]
    id: UUID
    at: Instant


class Timeline(Answered):
    """A page of everything about a lead, newest first; no cursor on the last one."""

    examples: ClassVar[Examples] = {
        "the last page": {
            "items": [
                {
                    "kind": "engagement",
                    "id": example.ROW,
                    "at": example.AT,
                    "event_type": "email_opened",
                    "score_weight": 8,
                    "metadata": {},
                }
            ],
            "nextCursor": None,
        }
    }

    items: list[TimelineItem]
    next_cursor: str | None
