"""Leads: left by visitors in the widget, entered in the console, and all that happened to them."""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.record import Stream
from projections import conversations, leads, timeline
from services.api.auth.callers import Reader, WidgetCaller, Writer, no_such
from services.api.context import core_of
from services.api.error_codes import CONTACT, CURSOR, NO_CONTACT, NOT_FOUND, OF_LEAD, refuses
from services.api.problems import Problem
from services.api.rate_limit.limits import limit
from services.api.request_body import Taken, Takes
from services.api.responses import Answer, Once, Reached, answered, json_of, written
from services.api.schemas.leads import (
    ConsoleLeadSent,
    LeadEntered,
    LeadLeft,
    Timeline,
    WidgetLeadSent,
)
from services.api.schemas.schema import LeadId
from services.application.leads import capture
from services.application.rows import row_of
from services.application.sessions import begin_anew
from services.application.unit_of_work import UnitOfWork
from services.application.visitor_messages import CHAT_SOURCE, conversation_of
from services.deciders.chats import demand_proof
from services.deciders.decider import Refused
from services.deciders.leads import CaptureLead, Details
from services.deciders.sessions import IdentifySession, StartSession
from services.host import load_property

PAGE = 50
THANKS = "Thank you! We will be in touch."

router = APIRouter(tags=["leads"])


@router.post(
    "/api/lumaleasing/lead", summary="Leave a way to be reached", tags=["widget"],
    response_model=LeadLeft, responses=refuses(NO_CONTACT, CONTACT, OF_LEAD), dependencies=[Once],
)  # fmt: skip
async def leave_contact(
    request: Request,
    caller: WidgetCaller,
    sent: Annotated[Taken[WidgetLeadSent], Depends(Takes(WidgetLeadSent))],
) -> Response:
    body = sent.said
    if not (body.email or body.phone):
        raise Problem(400, "no_contact", "an e-mail address or a phone number is needed")
    await limit(request, caller, body.email, body.phone)
    new_lead = uuid7()

    async def work(uow: UnitOfWork) -> Answer:
        host_property = await load_property(uow.conn, caller.property_id)
        details = body.details(CHAT_SOURCE, body.bedroom_preference, host_property.country)
        session_lead = None
        start = StartSession(body.session_id, caller.visitor_id) if body.session_id else None
        if start is not None:
            held = (await uow.state(start)).sessions.get(start.session_id)
            demand_proof(held, start.session_id, caller.proven)
            session_lead = held.lead_id if held else None
        lead_id = await capture(
            uow, details, lead_id=new_lead, session_id=body.session_id,
            session_lead=session_lead, note=_note(details),
        )  # fmt: skip
        if start is not None:
            await uow.do(start)
            await begin_anew(uow, start)
            await uow.do(IdentifySession(
                start.session_id, lead_id,
                await _conversations(request, caller, start.session_id, body.conversation_id),
                caller.visitor_id,
            ))  # fmt: skip
        return {
            "success": True,
            "leadId": str(lead_id),
            "message": THANKS,
        }

    return await written(request, caller, caller.scope, sent.raw, work)


@router.post(
    "/api/leads", status_code=201, summary="Enter a lead", response_model=LeadEntered,
    responses=refuses(NO_CONTACT, CONTACT, NOT_FOUND), dependencies=[Once],
)  # fmt: skip
async def enter(
    request: Request,
    caller: Writer,
    sent: Annotated[Taken[ConsoleLeadSent], Depends(Takes(ConsoleLeadSent))],
) -> Response:
    body = sent.said
    if not (body.email or body.phone or body.first_name or body.last_name):
        raise Problem(400, "no_contact", "a name, an e-mail address or a phone number is needed")
    await caller.demand_property(core_of(request), body.property_id)
    lead_id = uuid7()

    async def work(uow: UnitOfWork) -> Answer:
        host_property = await load_property(uow.conn, body.property_id)
        details = body.details(body.source, body.bedrooms, host_property.country)
        owner = (await uow.owner_of_contact(details.email, None)).email
        if owner is not None:
            raise Refused(
                "known_lead", "a lead with this e-mail address is there already", 409,
                {"lead": _plain(await lead_row(uow, owner))},
            )  # fmt: skip
        await uow.do(CaptureLead(lead_id, details, captured_by=caller.id))
        return {"lead": await lead_row(uow, lead_id)}

    return await written(request, caller, caller.scope(body.property_id), sent.raw, work, 201)


@router.get(
    "/api/leads/{lead_id}/timeline", summary="Everything, newest first",
    response_model=Timeline, responses=refuses(CURSOR, NOT_FOUND), dependencies=[Reached],
)  # fmt: skip
async def everything(
    request: Request,
    caller: Reader,
    lead_id: LeadId,
    cursor: Annotated[str | None, Query(max_length=300)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = PAGE,
) -> Response:
    before = None if not cursor else read_cursor(cursor)
    async with caller.transaction(core_of(request).engine) as conn:
        person = (await conn.execute(leads.person(caller.org_id, lead_id))).first()
        if person is None:
            raise no_such("lead")
        query = timeline.page(caller.org_id, person.members, before, limit + 1)
        rows = (await conn.execute(query)).all()
    items = [{"kind": row.kind, "id": row.id, "at": row.at, **row.data} for row in rows[:limit]]
    more = len(rows) > limit
    last = rows[limit - 1] if more else None
    next_cursor = write_cursor((last.at, last.kind, last.id)) if last is not None else None
    return answered({"items": items, "nextCursor": next_cursor})


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def write_cursor(place: timeline.Place) -> str:
    """Opaque to clients."""
    at, kind, key = place
    said = orjson.dumps([(at - _EPOCH) // _MICROSECOND, kind, str(key)])
    return base64.urlsafe_b64encode(said).decode().rstrip("=")


def read_cursor(text: str) -> timeline.Place:
    """Raises `Problem`."""
    try:
        said = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        micros, kind, key = orjson.loads(said)
        return _EPOCH + micros * _MICROSECOND, _word(kind), UUID(key)
    except (binascii.Error, ValueError, TypeError, AttributeError, OverflowError):
        raise Problem(
            400, "malformed_cursor", "hand in what nextCursor answered, unchanged"
        ) from None


def _word(kind: object) -> str:
    if not isinstance(kind, str) or not kind.isalpha():
        raise ValueError("no kind")
    return kind


async def lead_row(uow: UnitOfWork, lead_id: UUID) -> dict[str, Any] | None:
    """The row of the lead that an id stands for, as it is after what the unit has decided."""
    return await own_row(uow, await uow.known_as(lead_id))


async def own_row(uow: UnitOfWork, lead_id: UUID) -> dict[str, Any] | None:
    """The lead's own row, merged or not."""
    return row_of(leads.projection, lead_id, await uow.history(Stream("lead", lead_id)))


def _plain(row: dict[str, Any] | None) -> Any:
    return orjson.loads(json_of(row))


def _note(details: Details) -> str | None:
    said = (
        ("Move-in", details.move_in_date.isoformat() if details.move_in_date else None),
        ("Bedrooms", details.bedrooms),
        ("Notes", details.notes),
    )
    lines = [f"{name}: {value}" for name, value in said if value]
    return "\n".join(lines)[:20_000] or None


async def _conversations(
    request: Request, caller: WidgetCaller, session_id: UUID, named: UUID | None
) -> tuple[UUID, ...]:
    """The conversations that may be this session's: named, its own by rule, and those known."""
    async with caller.transaction(core_of(request).engine) as conn:
        rows = await conn.execute(conversations.of_session(caller.property_id, session_id))
        known = [row.id for row in rows]
    found = [conversation_of(session_id), *known, *([named] if named else [])]
    return tuple(dict.fromkeys(found))[:100]
