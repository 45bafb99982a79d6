"""Response with the leads that have the same contact details."""

from typing import ClassVar

from services.api.schemas.leads import LeadListResponse, LeadWithScore
from services.api.schemas.schema import Examples, ResponseModel


class ContactMatchesResponse(ResponseModel):
    """Other leads with the e-mail address or the phone number, newest first."""

    examples: ClassVar[Examples] = {
        "one other lead": {"leads": LeadListResponse.examples["the only lead"]["leads"]},
        "nobody": {"leads": []},
    }

    leads: list[LeadWithScore]
