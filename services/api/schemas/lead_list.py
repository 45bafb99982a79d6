"""The shapes of the list of leads and of a change of one."""

from datetime import date
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import AliasChoices, Field, model_validator

from events.fields import Body, Line
from events.leads import LeadStatus
from services.api.schemas import example
from services.api.schemas.leads import LeadEntered, LeadRow
from services.api.schemas.schema import Answered, Examples, Sent
from services.deciders.contacts import email_of, phone_of

PLAIN = ("source", "first_name", "last_name", "move_in_date", "notes")


class LeadListed(LeadRow):
    """A lead as it is in its table, with its score as of now; null where it has none yet."""

    score: Annotated[int, Field(ge=0, le=100)] | None
    score_bucket: Literal["hot", "warm", "cold", "unqualified"] | None


class Pagination(Answered):
    """Which page this is, and how much there is of what was asked for."""

    page: int
    limit: int
    total: int
    total_pages: int


class LeadFilters(Answered):
    """What the list can be narrowed to: what the property's leads have."""

    sources: list[str]
    statuses: list[str]


class LeadList(Answered):
    """A page of leads; filters and summary are of the whole property."""

    examples: ClassVar[Examples] = {
        "the only lead": {
            "leads": [
                {
                    **LeadEntered.examples["a walk-in"]["lead"],
                    "score": 28,
                    "score_bucket": "cold",
                }
            ],
            "pagination": {"page": 1, "limit": 25, "total": 1, "totalPages": 1},
            "filters": {"sources": ["Walk-in"], "statuses": ["new"]},
            "statusSummary": {"new": 1},
        }
    }

    leads: list[LeadListed]
    pagination: Pagination
    filters: LeadFilters
    status_summary: dict[str, int]


class LeadChangeSent(Sent):
    """What changes: a field that is absent stays as it is; null, or a blank text, empties it."""

    examples: ClassVar[Examples] = {
        "called back": {"leadId": example.LEAD, "status": "contacted", "notes": "Calls on Friday."},
        "a detail that was wrong": {"leadId": example.LEAD, "moveInDate": None, "bedrooms": 2},
    }

    lead_id: UUID
    status: LeadStatus | None = None
    source: Line | None = None
    first_name: Line | None = Field(None, validation_alias=AliasChoices("firstName", "first_name"))
    last_name: Line | None = Field(None, validation_alias=AliasChoices("lastName", "last_name"))
    email: Line | None = None
    phone: Line | None = None
    move_in_date: date | None = Field(
        None, validation_alias=AliasChoices("moveInDate", "move_in_date")
    )
    bedrooms: Line | int | None = None
    notes: Body | None = None

    @model_validator(mode="before")
    @classmethod
    def _blank_is_null(cls, data: Any) -> Any:
        """Forms send empty texts for what was emptied."""
        if not isinstance(data, dict):
            return data
        return {k: None if isinstance(v, str) and not v.strip() else v for k, v in data.items()}

    def changes(self, country: str | None) -> dict[str, Any]:
        """What was given, normalised. Raises `Refused` for an address or number that is none."""
        given = self.model_fields_set
        found: dict[str, Any] = {name: getattr(self, name) for name in PLAIN if name in given}
        if "email" in given:
            found["email"] = email_of(self.email)
        if "phone" in given:
            found["phone"] = phone_of(self.phone, country)
        if "bedrooms" in given:
            found["bedrooms"] = None if self.bedrooms is None else str(self.bedrooms)
        return found
