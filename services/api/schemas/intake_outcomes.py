"""Response with the outcomes of intake records."""

from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from services.api.schemas import example
from services.api.schemas.schema import Examples, Instant, ResponseModel, ResponseRow


class IntakeOutcomeRow(ResponseRow):
    """The outcome of a record, with the same names as on the topic of outcomes.

    - `duplicate`: the event was in the log before.
    - `reason`: the code of a refusal; `known_lead` if another lead had the e-mail address already.
    - `lead_id`: the lead that an accepted event is about.
    """

    status: Literal["accepted", "refused", "waiting"]
    duplicate: bool
    reason: str | None
    source: str | None
    id: str | None
    type: str | None
    event_id: UUID | None
    org_id: UUID | None
    property_id: UUID | None
    lead_id: UUID | None
    topic: str
    partition: Annotated[int, Field(ge=0)]
    offset: Annotated[int, Field(ge=0)]
    decided_at: Instant


class IntakeOutcomeListResponse(ResponseModel):
    """The outcomes of a producer's records, newest first."""

    examples: ClassVar[Examples] = {
        "a lead that was known": {
            "outcomes": [
                {
                    "status": "accepted",
                    "duplicate": False,
                    "reason": "known_lead",
                    "source": "/website",
                    "id": "form-4711",
                    "type": "lead.captured",
                    "event_id": example.ROW,
                    "org_id": example.ORGANIZATION,
                    "property_id": example.PROPERTY,
                    "lead_id": example.LEAD,
                    "topic": "crm.intake",
                    "partition": 3,
                    "offset": 1024,
                    "decided_at": example.AT,
                }
            ]
        }
    }

    outcomes: list[IntakeOutcomeRow]
