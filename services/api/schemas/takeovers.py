"""Response of takeovers."""

from typing import ClassVar, Literal

from services.api.schemas.conversations import CONVERSATION_EXAMPLE, ConversationRow
from services.api.schemas.schema import Examples, ResponseModel


class TakeoverResponse(ResponseModel):
    """The conversation after the change. `message` is the system message for the visitor."""

    examples: ClassVar[Examples] = {
        "taken over": {
            "success": True,
            "conversation": CONVERSATION_EXAMPLE,
            "message": "Somebody of our team has joined the chat and will answer you here.",
        }
    }

    success: Literal[True]
    conversation: ConversationRow
    message: str
