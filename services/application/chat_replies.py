"""The reply to a visitor: what the bot says, whether it may, and what the visitor is told."""

import asyncio
import re
from typing import Any
from uuid import UUID, uuid5

from services.adapters.responder import Responder, Turn
from services.application.unit_of_work import UnitOfWork
from services.application.visitor_messages import Heard, Said
from services.deciders.conversations import Conversation, Reply, WaitForPerson
from services.deciders.decider import Refused
from services.runtime.logging import get_logger

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


async def think(responder: Responder, known: Heard, said: Said) -> str | None:
    """What the bot says; None where it may not speak, or cannot."""
    conversation = known.conversation
    if (before := conversation.said.get(_reply_id(said))) is not None:
        return before[1]
    if conversation.is_human_mode or not known.bot_answers:
        return None
    turn = Turn(
        said.content, known.host_property, known.settings,
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


async def answer(uow: UnitOfWork, known: Heard, said: Said, reply: str | None) -> dict[str, Any]:
    """What the visitor is told, after deciding whether the bot may still say it."""
    content = await _say(uow, known, said, reply)
    now: Conversation = await uow.state(WaitForPerson(known.conversation_id, "asked"))
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


async def _say(uow: UnitOfWork, known: Heard, said: Said, reply: str | None) -> str | None:
    """Decide what is said now, if anything is: the reply, or that a person will answer.

    Sent again while the first is thought about, a message may have been replied to meanwhile.
    """
    waiting = WaitForPerson(known.conversation_id, "asked")
    conversation: Conversation = await uow.state(waiting)
    role, before = conversation.said.get(_reply_id(said), ("user", ""))
    if role != "user":
        return before
    if reply is not None:
        try:
            await uow.do(Reply(known.conversation_id, _reply_id(said), reply,
                                known.conversation.epoch, said.message_id))  # fmt: skip
        except Refused as refused:
            if refused.code != "stale_epoch":
                raise
            return None
        return reply
    if conversation.is_human_mode:
        return None
    if not known.bot_answers:
        await uow.do(WaitForPerson(known.conversation_id, "auto_reply_off"))
        return None
    why = "agent_left" if known.conversation.is_human_mode else "bot_failed"
    await uow.do(WaitForPerson(known.conversation_id, why, _reply_id(said), SORRY))
    return SORRY


def wants_tour(text: str) -> bool:
    return _TOUR.search(text) is not None


def _reply_id(said: Said) -> UUID:
    return uuid5(said.message_id, "reply")
