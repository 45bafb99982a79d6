"""Request and response of messages that console users send to a lead."""

from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import model_validator

from events.fields import Body, Text, Word
from events.workflows import MessageChannel
from services.api.schemas import example
from services.api.schemas.schema import Examples, RequestModel, ResponseModel, drop_blank_fields


class SendMessageRequest(RequestModel):
    """A message, or the slug of a template. Both may contain variables such as `{{first_name}}`."""

    examples: ClassVar[Examples] = {
        "a mail": {
            "channel": "email",
            "message": "Hello, the flat is free from June.",
            "subject": "Your question",
        },
        "a template": {"channel": "sms", "templateSlug": example.SLUG},
    }

    channel: MessageChannel
    message: Body | None = None
    template_slug: Word | None = None
    subject: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _drop_blanks(cls, data: Any) -> Any:
        return drop_blank_fields(data)


class SendMessageResponse(ResponseModel):
    """The planned delivery. The sender hands it to the provider later."""

    examples: ClassVar[Examples] = {
        "a mail": {
            "success": True,
            "messageId": example.MESSAGE,
            "channel": "email",
            "status": "planned",
        }
    }

    success: Literal[True]
    message_id: UUID
    channel: MessageChannel
    status: Literal["planned"]
