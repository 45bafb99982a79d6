"""Request and response of a test of a template."""

from typing import ClassVar, Literal
from uuid import UUID

from events.workflows import MessageChannel
from services.api.schemas import example
from services.api.schemas.schema import Examples, OptionalId, RequestModel, ResponseModel


class TemplateTestRequest(RequestModel):
    """The lead whose values fill the template; without one, the newest lead of the property."""

    examples: ClassVar[Examples] = {"a lead": {"leadId": example.LEAD}, "any lead": {}}
    may_be_absent: ClassVar[bool] = True

    lead_id: OptionalId = None


class TemplateTestResponse(ResponseModel):
    """The planned test, and the address of the caller that gets it."""

    examples: ClassVar[Examples] = {
        "an e-mail": {
            "success": True,
            "messageId": example.MESSAGE,
            "channel": "email",
            "recipient": "agent@example.com",
            "status": "planned",
        }
    }

    success: Literal[True]
    message_id: UUID
    channel: MessageChannel
    recipient: str
    status: Literal["planned"]
