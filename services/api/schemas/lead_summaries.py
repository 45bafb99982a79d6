"""Response with one lead: its row, its score, its consents and the leads merged into it."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from events.consents import ConsentChannel
from services.api.schemas import example
from services.api.schemas.leads import LeadListResponse, LeadRow, LeadWithScore
from services.api.schemas.schema import Examples, Instant, ResponseModel, ResponseRow


class ConsentInForce(ResponseRow):
    """The newest consent of a lead for a channel, with its evidence."""

    id: UUID
    lead_id: UUID
    channel: ConsentChannel
    status: Literal["given", "withdrawn"]
    text: str | None
    place: str | None
    keyword: str | None
    at: Instant
    recorded_by: UUID | None


class LeadSummaryResponse(ResponseModel):
    """The surviving lead of an id. `members` are the ids of all leads of this person.

    `consents` has one for each channel and member that has any; the stricter one counts.
    """

    examples: ClassVar[Examples] = {
        "a walk-in": {
            "lead": LeadListResponse.examples["the only lead"]["leads"][0],
            "erasedAt": None,
            "members": [example.LEAD],
            "mergedLeads": [],
            "consents": [
                {
                    "id": example.ROW,
                    "lead_id": example.LEAD,
                    "channel": "sms",
                    "status": "withdrawn",
                    "text": "STOP",
                    "place": "sms_reply",
                    "keyword": "STOP",
                    "at": example.AT,
                    "recorded_by": None,
                }
            ],
        }
    }

    lead: LeadWithScore
    erased_at: Annotated[
        Instant | None, Field(description="When the personal data of the person was erased.")
    ]
    members: list[UUID]
    merged_leads: list[LeadRow]
    consents: list[ConsentInForce]
