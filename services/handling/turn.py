"""One turn of a visitor's chat: what was said, who it was, and the answer of bot or nobody."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import asyncpg

from events.chat import ConversationStarted
from events.ids import message_event_id
from events.log.commands import Command
from events.log.token import Token
from events.record import Cause, Stream
from services.adapters.responder import Responder, Turn
from services.deciders import chat
from services.deciders.chat import Chat
from services.deciders.conversations import Conversation, Reply, WaitForPerson
from services.deciders.decider import Refused
from services.deciders.leads import Details, Lead, UpdateLead
from services.deciders.messages import ReceiveMessage
from services.deciders.sessions import IdentifySession, StartSession
from services.deciders.widgets import ConfigureWidget, Widget
from services.handle import transact
from services.handling.capture import capture
from services.handling.house import House, house_of
from services.handling.unit import Scope, Unit
from services.runtime.logging import get_logger

CHAT_SOURCE = "LumaLeasing Widget"
PROMPT_AT_TURN = 3
REPLY_SECONDS = 20.0
SORRY = "Thank you for your message. Somebody of our team will answer you here as soon as they can."
LEAD_PROMPT = "Shall we keep in touch? Leave us your name and e-mail address."

_TOUR = re.compile(
    r"\b(?:(?:tour|visit|see|show|appointment|schedul|book)(?:s|e|es|ed|ing|ings)?"
    r"|(?:come|stop) by|check out)\b",
    re.IGNORECASE,
)

log = get_logger("chat")


@dataclass(frozen=True, slots=True)
class Said:
    """What a visitor sent. Ids that are missing are derived from those that are there."""

    message_id: UUID
    content: str
    session_id: UUID | None = None
    conversation_id: UUID | None = None
    visitor_id: str | None = None
    user_agent: str | None = None
    referrer_url: str | None = None
    details: Details | None = None


@dataclass(frozen=True, slots=True)
class _Heard:
    """Where it was said, and what the answer depends on."""

    session_id: UUID
    conversation_id: UUID
    conversation: Conversation
    lead_id: UUID | None
    first_name: str | None
    settings: Mapping[str, Any]
    house: House


@dataclass(frozen=True, slots=True)
class Turned:
    """The answer, as JSON, and the token of what was written last."""

    answer: dict[str, Any]
    token: Token | None


def conversation_of(session_id: UUID) -> UUID:
    """The conversation of a session whose client names none."""
    return uuid5(session_id, "conversation")


def wants_tour(text: str) -> bool:
    return _TOUR.search(text) is not None


async def take_turn(
    pool: asyncpg.Pool,
    responder: Responder,
    where: tuple[UUID, UUID],
    said: Said,
    once: Command | None = None,
) -> Turned:
    """Hear a visitor and answer. `where` is organisation and property. Raises `Refused`.

    Two transactions, and between them none: the responder may think for seconds. Sent again, the
    message is recognised by its id, and so is the reply.
    """
    cause = Cause(f"visitor:{said.visitor_id}" if said.visitor_id else "visitor")

    async def hear(unit: Unit) -> dict[str, Any]:
        heard.append(await _hear(unit, said))
        return {}

    heard: list[_Heard] = []
    first = await transact(pool, Scope(*where, _now(), cause), hear, once=once, ends=False)
    if first.repeated:
        return Turned(first.result, first.token)
    known = heard[-1]
    reply = await _think(responder, known, said)

    async def answer(unit: Unit) -> dict[str, Any]:
        return await _answer(unit, known, said, reply)

    scope = Scope(*where, _now(), Cause("bot", causation_id=_event_id(where, said)))
    seed = uuid5(once.id, "reply") if once else None
    second = await transact(pool, scope, answer, once=once, seed=seed)
    return Turned(second.result, second.token or first.token)


async def _hear(unit: Unit, said: Said) -> _Heard:
    session_id, conversation_id = await _ids(unit, said)
    said_before = ReceiveMessage(
        session_id, conversation_id, said.message_id, said.content, said.visitor_id,
        said.user_agent, said.referrer_url,
    )  # fmt: skip
    if said.details is not None and (said.details.email or said.details.phone):
        state: Chat = await unit.state(said_before)
        session = state.sessions.get(session_id)
        if session is None or session.visitor_id in (None, said.visitor_id):
            lead_id = await capture(
                unit, said.details, session_id=session_id,
                lead_id=uuid5(message_event_id(unit.scope.org_id, said.message_id), "lead"),
                session_lead=session.lead_id if session else None,
            )  # fmt: skip
            await unit.do(StartSession(session_id, said.visitor_id, said.user_agent,
                                       said.referrer_url))  # fmt: skip
            await unit.do(IdentifySession(
                session_id, lead_id, (conversation_id,), said.visitor_id))  # fmt: skip
    await unit.do(said_before)
    state = await unit.state(said_before)
    lead = chat.lead_of(state, session_id, conversation_id)
    widget: Widget = await unit.state(ConfigureWidget(unit.scope.property_id, {}))
    person: Lead = await unit.state(UpdateLead(lead, {})) if lead else Lead()
    return _Heard(
        session_id, conversation_id, state.conversations[conversation_id], lead,
        person.details.get("first_name"), widget.settings,
        await house_of(unit.conn, unit.scope.property_id),
    )  # fmt: skip


async def _ids(unit: Unit, said: Said) -> tuple[UUID, UUID]:
    """Session and conversation: the client's, else the conversation's session, else new ones."""
    session_id = said.session_id
    if session_id is None and said.conversation_id is not None:
        for fact in await unit.history(Stream("conversation", said.conversation_id)):
            if isinstance(fact.event, ConversationStarted):
                session_id = fact.event.session_id
                break
    session_id = session_id or uuid5(
        message_event_id(unit.scope.org_id, said.message_id), "session"
    )
    return session_id, said.conversation_id or conversation_of(session_id)


async def _think(responder: Responder, known: _Heard, said: Said) -> str | None:
    """What the bot says; None where it may not speak, or cannot."""
    conversation = known.conversation
    if (before := conversation.said.get(_reply_id(said))) is not None:
        return before[1]
    if conversation.is_human_mode or known.settings.get("auto_reply_enabled") is False:
        return None
    turn = Turn(
        said.content, known.house, known.settings,
        history=tuple(conversation.said.values())[:-1],
        wants_tour=wants_tour(said.content), first_name=known.first_name,
        is_lead=known.lead_id is not None,
    )  # fmt: skip
    try:
        async with asyncio.timeout(REPLY_SECONDS):
            return (await responder.reply(turn)).content[:20_000]
    except Exception as error:  # noqa: BLE001 — an edge: whatever a bot does, the visitor is told
        log.warning("chat.bot_failed", error=type(error).__name__)
        return None


async def _answer(unit: Unit, known: _Heard, said: Said, reply: str | None) -> dict[str, Any]:
    """What the visitor is told, after deciding whether the bot may still say it."""
    content = reply
    asked = WaitForPerson(known.conversation_id, "asked")
    conversation: Conversation = await unit.state(asked)
    if reply is not None:
        try:
            await unit.do(Reply(known.conversation_id, _reply_id(said), reply,
                                known.conversation.epoch, said.message_id))  # fmt: skip
        except Refused as refused:
            if refused.code != "stale_epoch":
                raise
            content = None
    elif not conversation.is_human_mode:
        off = known.settings.get("auto_reply_enabled") is False
        await unit.do(WaitForPerson(
            known.conversation_id, "auto_reply_off" if off else "bot_failed",
            None if off else _reply_id(said), None if off else SORRY,
        ))  # fmt: skip
        content = None if off else SORRY
    now: Conversation = await unit.state(asked)
    settings = known.settings
    prompt = (
        known.lead_id is None
        and settings.get("collect_email") is not False
        and known.conversation.turns >= PROMPT_AT_TURN
    )
    return {
        "content": content,
        "sessionId": str(known.session_id),
        "conversationId": str(known.conversation_id),
        "shouldPromptLeadCapture": prompt,
        "leadCapturePrompt": (settings.get("lead_capture_prompt") or LEAD_PROMPT)
        if prompt
        else None,
        "wantsTour": wants_tour(said.content),
        "isHumanMode": now.is_human_mode,
        "waitingForHuman": now.is_human_mode or now.is_waiting,
    }


def _reply_id(said: Said) -> UUID:
    return uuid5(said.message_id, "reply")


def _event_id(where: tuple[UUID, UUID], said: Said) -> UUID:
    return message_event_id(where[0], said.message_id)


def _now() -> datetime:
    return datetime.now(UTC)
