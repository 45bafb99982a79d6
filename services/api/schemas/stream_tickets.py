"""Request and response of stream tickets."""

from typing import ClassVar
from uuid import UUID

from services.api.schemas import example
from services.api.schemas.schema import Examples, RequestModel, ResponseModel


class StreamTicketRequest(RequestModel):
    """The session whose messages are to be streamed."""

    examples: ClassVar[Examples] = {"a session": {"sessionId": example.SESSION}}

    session_id: UUID


class StreamTicketResponse(ResponseModel):
    """A ticket for the query of the event stream. It opens one stream of this session, once."""

    examples: ClassVar[Examples] = {
        "a ticket": {
            "ticket": "Jw2xYcJ0d8mV3kq7n1s5t9u2w4y6z8A1b3C5d7E9f0g",
            "expiresInSeconds": 60,
        }
    }

    ticket: str
    expires_in_seconds: int
