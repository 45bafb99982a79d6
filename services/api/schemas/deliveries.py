"""The shapes of messages that people send to a lead."""

from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import model_validator

from events.fields import Body, Text, Word
from events.workflows import MessageChannel
from services.api.schemas import example
from services.api.schemas.schema import Answered, Examples, Sent


class MessageSent(Sent):
    """A message, or a template by its slug. Both may speak of `{{first_name}}` and the like."""

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
    def _without_blanks(cls, data: Any) -> Any:
        """Forms send empty texts for what was not filled in."""
        if not isinstance(data, dict):
            return data
        return {k: v for k, v in data.items() if not (isinstance(v, str) and not v.strip())}


class MessagePlanned(Answered):
    """The message will be sent; its id tells what becomes of it."""

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
