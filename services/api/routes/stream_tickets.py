"""Route of stream tickets, which an EventSource sends instead of a key or a token."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from projections import sessions
from services.api.auth.row_security import read_as
from services.api.auth.stream_tickets import LIFETIME_SECONDS, TicketClaims, issue_ticket
from services.api.auth.widget_authentication import WidgetVisitor
from services.api.consistency import WAIT_FOR_TOKEN
from services.api.context import context_of
from services.api.error_codes import NOT_FOUND, error_responses
from services.api.problems import not_found
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import json_response
from services.api.schemas.stream_tickets import StreamTicketRequest, StreamTicketResponse
from services.application.client_ids import possible_ids

router = APIRouter(prefix="/api/lumaleasing", tags=["widget"])


@router.post(
    "/chat/stream-tickets", status_code=201, summary="Get a ticket for the event stream",
    response_model=StreamTicketResponse, responses=error_responses(NOT_FOUND),
    dependencies=[WAIT_FOR_TOKEN],
)  # fmt: skip
async def create_stream_ticket(
    request: Request,
    caller: WidgetVisitor,
    parsed: Annotated[ParsedBody[StreamTicketRequest], Depends(BodyParser(StreamTicketRequest))],
) -> Response:
    """Return a ticket for `GET /chat/stream?sessionId=…&ticket=…`.

    A ticket opens one stream. After the end of a stream, get another ticket.
    """
    context, property_id = context_of(request), caller.property_id
    session_ids = possible_ids(property_id, "session", parsed.body.session_id)
    async with read_as(context.pool, caller.claims) as conn:
        row = await conn.first(sessions.by_ids(property_id, session_ids))
    if row is None or not caller.owns(row.id, row.visitor_id):
        raise not_found("session")
    async with context.pool.acquire() as pooled:
        ticket = await issue_ticket(pooled, TicketClaims(property_id, row.id))
    return json_response({"ticket": ticket, "expiresInSeconds": LIFETIME_SECONDS}, 201)
