"""Request and response of an agent's message to a visitor."""

from typing import ClassVar, Literal

from events.fields import Body
from services.api.schemas.conversations import MESSAGE_EXAMPLE, MessageRow
from services.api.schemas.schema import Examples, OptionalId, RequestModel, ResponseModel


class AgentMessageRequest(RequestModel):
    """A message of the agent who took the conversation over.

    With a `messageId`, the same message sent again is stored once.
    """

    examples: ClassVar[Examples] = {
        "an answer": {"content": "This is Sam: Saturday at two is free."},
    }

    content: Body
    message_id: OptionalId = None


class AgentMessageResponse(ResponseModel):
    """The message as it is stored."""

    examples: ClassVar[Examples] = {"an answer": {"success": True, "message": MESSAGE_EXAMPLE}}

    success: Literal[True]
    message: MessageRow
