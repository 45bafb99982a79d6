"""Request and response of a visitor who leaves contact details in the widget."""

from typing import ClassVar, Literal
from uuid import UUID

from events.fields import Line
from services.api.schemas import example
from services.api.schemas.lead_details import LeadDetailsRequest
from services.api.schemas.schema import Examples, OptionalId, ResponseModel
from services.api.schemas.visitor_details import VisitorRequest


class WidgetLeadRequest(VisitorRequest, LeadDetailsRequest):
    """Contact details of a visitor: at least an e-mail address or a phone number."""

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

    session_id: OptionalId = None
    conversation_id: OptionalId = None
    bedroom_preference: Line | int | None = None


class WidgetLeadResponse(ResponseModel):
    """The confirmation. `leadId` is an opaque reference: it is not the id of the lead."""

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
