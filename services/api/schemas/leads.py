"""Requests and responses of leads in the console."""

from datetime import date
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import AliasChoices, Field, model_validator

from events.fields import Body, Line
from events.leads import LeadStatus
from services.api.schemas import example
from services.api.schemas.lead_details import DayText, LeadDetailsRequest, read_day
from services.api.schemas.schema import (
    ChangeModel,
    Examples,
    Instant,
    OptionalId,
    ResponseModel,
    ResponseRow,
    WaitsFor,
    blank_to_none,
)
from services.deciders.contacts import normalize_email, normalize_phone
from services.deciders.names import NAME_FIELDS, normalize_name
from services.host import HostProperty

UNCHANGED_FIELDS = ("source", "notes")
"""Fields of a change that are stored as they are sent."""


class LeadRequest(LeadDetailsRequest):
    """A new lead: at least a name, an e-mail address or a phone number."""

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
    assigned_agent_id: OptionalId = None


class LeadRow(ResponseRow):
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
    assigned_agent_id: UUID | None
    lead_zone: str | None
    restricted_at: Annotated[
        Instant | None,
        Field(description="Since when the data may not be used: no scores and no messages."),
    ]


class LeadResponse(ResponseModel):
    """The lead after the change."""

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
                "assigned_agent_id": None,
                "lead_zone": None,
                "restricted_at": None,
            }
        }
    }

    lead: LeadRow


class LeadWithScore(LeadRow):
    """A lead as it is in its table, with its current score; null before the first score."""

    score: Annotated[int, Field(ge=0, le=100)] | None
    score_bucket: Literal["hot", "warm", "cold", "unqualified"] | None


class ListedLead(LeadWithScore):
    """A lead in a list. `next_tour_at` is there if it was asked for; null without such a tour."""

    next_tour_at: Instant | None = None


class Pagination(ResponseModel):
    """The position of a page and the number of leads that match the filters."""

    page: int
    limit: int
    total: int
    total_pages: int


class LeadFilters(ResponseModel):
    """The sources and statuses that leads of the property have."""

    sources: list[str]
    statuses: list[str]


class LeadListResponse(ResponseModel):
    """A page of leads. Filters and summary count all leads of the property."""

    examples: ClassVar[Examples] = {
        "the only lead": {
            "leads": [
                {
                    **LeadResponse.examples["a walk-in"]["lead"],
                    "score": 28,
                    "score_bucket": "cold",
                }
            ],
            "pagination": {"page": 1, "limit": 25, "total": 1, "totalPages": 1},
            "filters": {"sources": ["Walk-in"], "statuses": ["new"]},
            "statusSummary": {"new": 1},
        }
    }

    leads: list[ListedLead]
    pagination: Pagination
    filters: LeadFilters
    status_summary: dict[str, int]


class LeadDetailChanges(ChangeModel):
    """Details of a lead to change. A missing field stays; null or a blank text clears it."""

    source: Line | None = None
    first_name: Line | None = Field(None, validation_alias=AliasChoices("firstName", "first_name"))
    last_name: Line | None = Field(None, validation_alias=AliasChoices("lastName", "last_name"))
    email: Line | None = None
    phone: Line | None = None
    move_in_date: DayText | None = Field(
        None, validation_alias=AliasChoices("moveInDate", "move_in_date")
    )
    bedrooms: Line | int | None = None
    notes: Body | None = None

    @model_validator(mode="before")
    @classmethod
    def _clear_blanks(cls, data: Any) -> Any:
        """Replace blank texts by null: forms send them for fields that were cleared."""
        if not isinstance(data, dict):
            return data
        return {name: blank_to_none(value) for name, value in data.items()}

    def changes(self, host_property: HostProperty) -> dict[str, Any]:
        """Return the fields that the request contains, normalised.

        Raise `Refused` for a malformed name, e-mail address, phone number or date.
        """
        sent_fields = self.model_fields_set
        changes: dict[str, Any] = {
            name: getattr(self, name) for name in UNCHANGED_FIELDS if name in sent_fields
        }
        for name in sent_fields & NAME_FIELDS:
            changes[name] = normalize_name(getattr(self, name))
        if "email" in sent_fields:
            changes["email"] = normalize_email(self.email)
        if "phone" in sent_fields:
            changes["phone"] = normalize_phone(self.phone, host_property.country)
        if "move_in_date" in sent_fields:
            changes["move_in_date"] = read_day(self.move_in_date, host_property)
        if "bedrooms" in sent_fields:
            changes["bedrooms"] = None if self.bedrooms is None else str(self.bedrooms)
        return changes


class LeadChangeRequest(LeadDetailChanges):
    """A change of a lead. A missing field stays unchanged; null or a blank text clears it."""

    examples: ClassVar[Examples] = {
        "called back": {"leadId": example.LEAD, "status": "contacted", "notes": "Calls on Friday."},
        "a detail that was wrong": {"leadId": example.LEAD, "moveInDate": None, "bedrooms": 2},
    }
    addressing: ClassVar[frozenset[str]] = frozenset({"lead_id"})

    lead_id: UUID
    status: LeadStatus | None = None
    assigned_agent_id: OptionalId = None
    time_zone: Line | None = Field(
        None, validation_alias=AliasChoices("timeZone", "time_zone", "lead_zone")
    )


class WaitingLeadResponse(LeadResponse):
    """The lead after the change, which its row gets when a parked event is applied or dropped."""

    examples: ClassVar[Examples] = {
        title: {**value, "waitsFor": {"eventId": example.TOUR, "reason": "database"}}
        for title, value in LeadResponse.examples.items()
    }

    waits_for: WaitsFor
