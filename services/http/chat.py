"""The widget's chat: a turn of the visitor, and what was said since."""

from typing import Annotated, Any
from uuid import UUID, uuid5

from fastapi import APIRouter, Query
from pydantic import AliasChoices, AwareDatetime, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from events.fields import Body, Line
from projections import conversations, messages, widget_sessions
from services.deciders.contacts import email_of, phone_of
from services.deciders.leads import Details
from services.handling.heard import CHAT_SOURCE, Said
from services.handling.house import house_of
from services.handling.turn import take_turn
from services.http.answers import Reached, answered, command_of
from services.http.bodies import Id, Sent, body_of
from services.http.callers import WidgetCaller, no_such
from services.http.core import Core, core_of
from services.http.problems import Problem

LONGEST_TRANSCRIPT = 500
MOST_MESSAGES = 200

router = APIRouter(prefix="/api/lumaleasing", tags=["widget"])


class LeadInfo(Sent):
    """Who the visitor says it is; older clients write snake_case."""

    first_name: Line | None = Field(None, validation_alias=AliasChoices("firstName", "first_name"))
    last_name: Line | None = Field(None, validation_alias=AliasChoices("lastName", "last_name"))
    email: Line | None = None
    phone: Line | None = None


class TranscriptLine(Sent):
    """A line of the client's own transcript: only the visitor's last one counts."""

    role: str = ""
    content: Any = None


class ChatSent(Sent):
    """One turn: the transcript so far, or the message alone."""

    messages: Annotated[list[TranscriptLine], Field(max_length=LONGEST_TRANSCRIPT)] | None = None
    message: Body | None = None
    session_id: Id = None
    conversation_id: Id = None
    message_id: Id = None
    lead_info: LeadInfo | None = None

    @property
    def last(self) -> str:
        """What the visitor said last. Raises `Problem` where that is nothing."""
        text: Any = self.message
        if text is None:
            spoken = [line for line in self.messages or () if line.role == "user"]
            text = spoken[-1].content if spoken else None
        if not isinstance(text, str) or not text.strip():
            raise Problem(400, "empty_message", "the last message is empty")
        try:
            return _BODY.validate_python(text)
        except ValidationError as error:
            raise Problem(400, "invalid", error.errors()[0]["msg"]) from None


_BODY: TypeAdapter[str] = TypeAdapter(Body)


@router.post("/chat", summary="Say something; the bot, or nobody, answers")
async def say(request: Request, caller: WidgetCaller) -> Response:
    body, raw = await body_of(request, ChatSent)
    core = core_of(request)
    content = body.last
    once = command_of(request, caller, raw)
    message_id = body.message_id or (uuid5(once.id, "message") if once else uuid7())
    said = Said(
        message_id, content, body.session_id, body.conversation_id, caller.visitor_id,
        _header(request, "user-agent"), _header(request, "referer"),
        await _details(core, caller, body.lead_info),
    )  # fmt: skip
    where = (caller.org_id, caller.property_id)
    turned = await take_turn(core.pool, core.responder, where, said, once)
    return answered(turned.answer, 200, turned.token)


@router.get("/chat", summary="What was said in a session since", dependencies=[Reached])
async def since(
    request: Request,
    caller: WidgetCaller,
    session: Annotated[UUID, Query(alias="sessionId")],
    after: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """`after` is the id of the last message seen, or an instant; `after` of the answer is next."""
    async with caller.transaction(core_of(request).engine) as conn:
        row = (await conn.execute(widget_sessions.one(caller.property_id, session))).first()
        if row is None or row.visitor_id not in (None, caller.visitor_id):
            raise no_such("session")
        place = None
        if after:
            place = await _place(conn, caller.property_id, after)
        query = messages.of_session(caller.property_id, session, place, MOST_MESSAGES)
        said = (await conn.execute(query)).all()
        held = (await conn.execute(conversations.of_session(caller.property_id, session))).all()
    newest = held[0] if held else None
    return answered(
        {
            "messages": [
                {
                    "id": one.id, "conversationId": one.conversation_id, "role": one.role,
                    "content": one.content, "author": one.author, "createdAt": one.created_at,
                }
                for one in said
            ],
            "after": said[-1].id if said else after,
            "conversationId": newest.id if newest else None,
            "isHumanMode": bool(newest and newest.is_human_mode),
            "waitingForHuman": bool(newest and (newest.is_human_mode or newest.waiting_for_human)),
        }
    )  # fmt: skip


_ID = TypeAdapter(UUID)
_INSTANT = TypeAdapter(AwareDatetime)
_NOBODY = UUID(int=2**128 - 1)


async def _place(conn: Any, property_id: UUID, after: str) -> Any:
    try:
        message_id = _ID.validate_strings(after)
    except ValidationError:
        try:
            return _INSTANT.validate_strings(after), _NOBODY
        except ValidationError:
            raise Problem(
                400, "invalid_after", "after is the id of a message or an instant with its offset"
            ) from None
    seen = (await conn.execute(messages.one(property_id, message_id))).first()
    if seen is None:
        raise Problem(400, "unknown_message", "after names no message of this session")
    return seen.created_at, seen.id


async def _details(core: Core, caller: WidgetCaller, info: LeadInfo | None) -> Details | None:
    if info is None:
        return None
    async with core.pool.acquire() as conn:
        house = await house_of(conn, caller.property_id)  # type: ignore[arg-type]
    return Details(
        CHAT_SOURCE, info.first_name, info.last_name, email_of(info.email),
        phone_of(info.phone, house.country),
    )  # fmt: skip


def _header(request: Request, name: str) -> str | None:
    text = request.headers.get(name, "").replace("\x00", "")[:2_000]
    return text or None
