"""Route with which a visitor leaves contact details in the widget."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.widgets import CHAT_SOURCE
from services.api.auth.visitors import Visitor
from services.api.auth.widget_authentication import WidgetVisitor
from services.api.context import context_of
from services.api.error_codes import CONTACT, NO_CONTACT, SUBJECT, error_responses
from services.api.idempotency import CHECK_IDEMPOTENCY_KEY
from services.api.problems import Problem
from services.api.rate_limit.limits import limit_contacts
from services.api.request_body import BodyParser, ParsedBody
from services.api.responses import ResponseBody, execute_write
from services.api.schemas.widget_leads import WidgetLeadRequest, WidgetLeadResponse
from services.api.session_conversations import list_conversation_ids
from services.application.client_ids import resolve_session_id
from services.application.lead_references import make_lead_reference
from services.application.leads import capture_lead
from services.application.unit_of_work import UnitOfWork
from services.application.visitor_messages import restart_session
from services.deciders import sessions
from services.deciders.chats import require_proof
from services.deciders.leads import MAX_NOTE_LENGTH, Details
from services.deciders.sessions import IdentifySession, StartSession
from services.host import load_property

THANKS = "Thank you! We will be in touch."

router = APIRouter(prefix="/api/lumaleasing", tags=["leads", "widget"])


@router.post(
    "/lead", summary="Leave contact details", response_model=WidgetLeadResponse,
    responses=error_responses(NO_CONTACT, CONTACT, SUBJECT),
    dependencies=[CHECK_IDEMPOTENCY_KEY],
)  # fmt: skip
async def submit_widget_lead(
    request: Request,
    caller: WidgetVisitor,
    parsed: Annotated[ParsedBody[WidgetLeadRequest], Depends(BodyParser(WidgetLeadRequest))],
) -> Response:
    """Create or update the visitor's lead and link the session and its conversations to it.

    A session that did not create the lead fills only what is empty in it. `leadId` is a reference
    for this session, not the id that the console uses.
    """
    body, context = parsed.body, context_of(request)
    if not (body.email or body.phone):
        raise Problem(
            400, "no_contact", "email and phone are both missing: send at least one of them"
        )
    await limit_contacts(request, caller, body.session_id, body.email, body.phone)
    # Before the transaction: it needs a connection of the pool too.
    conversation_ids = await list_conversation_ids(
        context, caller, body.session_id, body.conversation_id
    )
    new_lead_id = uuid7()

    async def work(uow: UnitOfWork) -> ResponseBody:
        host_property = await load_property(uow.conn, caller.property_id)
        details, unread = body.read_details(CHAT_SOURCE, host_property)
        session_lead_id = None
        start = None
        if body.session_id is not None:
            session_id = await resolve_session_id(uow, body.session_id)
            start = StartSession(session_id, caller.visitor_hash)
            session_lead_id = await _require_own_session(uow, start, caller)
        lead_id = await capture_lead(
            uow, details, lead_id=new_lead_id, session_id=start.session_id if start else None,
            session_lead=session_lead_id, note=_note(details, unread),
        )  # fmt: skip
        if start is not None:
            await uow.execute(start)
            await restart_session(uow, start)
            await uow.execute(IdentifySession(
                start.session_id, lead_id, conversation_ids, caller.visitor_hash
            ))  # fmt: skip
        holder = f"session/{body.session_id}" if body.session_id else caller.principal
        reference = await make_lead_reference(uow, lead_id, holder)
        return {"success": True, "leadId": str(reference), "message": THANKS}

    return await execute_write(request, caller, caller.property_id, parsed.raw, work)


async def _require_own_session(
    uow: UnitOfWork, start: StartSession, caller: Visitor
) -> UUID | None:
    """Return the lead of the caller's session, if it has one. Refuse the session of another."""
    chat = await uow.load(sessions.decider, start.session_id)
    session = chat.sessions.get(start.session_id)
    require_proof(session, start.session_id, caller.verified_session_id)
    return session.lead_id if session else None


def _note(details: Details, unread: str | None) -> str | None:
    """Return the wishes of the visitor, and what could not be read, as the text of a note."""
    wishes = (
        ("Move-in", details.move_in_date.isoformat() if details.move_in_date else None),
        ("Bedrooms", details.bedrooms),
        ("Notes", details.notes),
    )
    lines = [f"{name}: {value}" for name, value in wishes if value]
    if unread:
        lines.append(unread)
    return "\n".join(lines)[:MAX_NOTE_LENGTH] or None
