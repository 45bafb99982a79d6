"""The use case of a chat turn: a visitor's message is received, and the bot may reply to it."""

import asyncio
import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from events.ids import message_event_id, scoped_id
from events.log.commands import CommandId
from events.log.token import Token
from events.record import Cause, Stream
from services.adapters.responder import Responder, ResponderRequest
from services.application.command_handler import transact
from services.application.scope import Scope
from services.application.stream_cache import StreamCache
from services.application.unit_of_work import UnitOfWork
from services.application.visitor_messages import ReceivedMessage, VisitorMessage, receive_message
from services.deciders import conversations
from services.deciders.chats import Conversation
from services.deciders.conversations import PostBotReply, WaitForAgent
from services.deciders.decider import Refused, UnknownSubject
from services.host import HostProperty
from services.runtime.clock import Clock
from services.runtime.logging import get_logger

PROMPT_AT_TURN = 3
REPLY_SECONDS = 20.0
MAX_CHARACTERS = 20_000
SORRY = "Thank you for your message. Somebody of our team will answer you here as soon as they can."
LEAD_PROMPT = "Shall we keep in touch? Leave us your name and e-mail address."

_TOUR = re.compile(
    r"\b(?:(?:tour|visit|see|show|appointment|schedul|book)(?:s|e|es|ed|ing|ings)?"
    r"|(?:come|stop) by|check out)\b",
    re.IGNORECASE,
)

log = get_logger("chat")


@dataclass(frozen=True, slots=True)
class ChatTurnResult:
    """The response of a chat turn as JSON, and the token of its last write.

    `own_session_id` is the stored id of the session if the visitor has proved that it is its own,
    or has just started it.
    """

    response: dict[str, Any]
    token: Token | None
    own_session_id: UUID | None = None


async def take_turn(
    pool: asyncpg.Pool,
    responder: Responder,
    tenant: tuple[UUID, UUID],
    message: VisitorMessage,
    command_id: CommandId | None = None,
    clock: Clock | None = None,
    cache: StreamCache | None = None,
    host_property: HostProperty | None = None,
) -> ChatTurnResult:
    """Receive a visitor's message and reply to it. Raises `Refused`.

    `tenant` is (organisation, property). There are two transactions and none between them, because
    the responder may need seconds. A repetition is recognised by the id of the message, and so is
    its reply. Without a `clock`, times are those of the system clock.
    `cache` may remember the chat. `host_property`: see `receive_message`.
    """
    clock, cache = clock or Clock(), cache or StreamCache()

    async def receive(uow: UnitOfWork) -> ReceivedMessage:
        return await receive_message(uow, message, host_property)

    visitor = Cause(f"visitor:{message.visitor_hash}" if message.visitor_hash else "visitor")
    scope = Scope(*tenant, clock.now(), visitor)
    first = await transact(
        pool, scope, receive, command_id=command_id, is_final=False, is_plain=True, cache=cache
    )
    if first.repeated:
        return ChatTurnResult(first.stored, first.token)
    received = first.result
    reply = await compute_reply(responder, received, message)

    async def post(uow: UnitOfWork) -> dict[str, Any]:
        return await post_reply(uow, received, message, reply)

    bot = Cause("bot", causation_id=message_event_id(received.ids.message_id))
    scope = Scope(*tenant, clock.now(), bot)
    seed = command_id.seed("reply") if command_id else None
    second = await transact(
        pool, scope, post, command_id=command_id, seed=seed, is_plain=True, cache=cache
    )  # fmt: skip
    own_session_id = received.ids.session_id if received.is_own_session else None
    return ChatTurnResult(second.result, second.token or first.token, own_session_id)


async def compute_reply(
    responder: Responder, received: ReceivedMessage, message: VisitorMessage
) -> str | None:
    """Return the bot's reply; None if it must not reply, or cannot."""
    conversation = received.conversation
    if (before := conversation.messages.get(_reply_id(received))) is not None:
        return before[1]
    if conversation.is_human_mode or not received.is_bot_enabled:
        return None
    host_property = received.host_property
    request = ResponderRequest(
        message.content, host_property.name, host_property.address, host_property.settings,
        received.settings, history=tuple(conversation.messages.values())[:-1],
        wants_tour=wants_tour(message.content),
    )  # fmt: skip
    try:
        async with asyncio.timeout(REPLY_SECONDS):
            return (await responder.reply(request)).content[:MAX_CHARACTERS]
    except Exception as error:  # noqa: BLE001 — an edge: whatever fails, the visitor gets an answer
        log.warning("chat.bot_failed", error=type(error).__name__)
        return None


async def post_reply(
    uow: UnitOfWork, received: ReceivedMessage, message: VisitorMessage, reply: str | None
) -> dict[str, Any]:
    """Append the reply if the bot may still give it, and return the response to the visitor."""
    content = await _post(uow, received, reply)
    conversation = await _load_conversation(uow, received.ids.conversation_id)
    is_human_mode, is_waiting = conversation.is_human_mode, conversation.is_waiting
    settings = received.settings
    is_prompted = (
        received.lead_id is None
        and settings.get("collect_email") is not False
        and received.conversation.turns >= PROMPT_AT_TURN
    )
    prompt = settings.get("lead_capture_prompt") or LEAD_PROMPT
    return {
        "content": content,
        "sessionId": str(received.ids.client_session_id),
        "conversationId": str(received.ids.client_conversation_id),
        "shouldPromptLeadCapture": is_prompted,
        "leadCapturePrompt": prompt if is_prompted else None,
        "wantsTour": wants_tour(message.content),
        "isHumanMode": is_human_mode,
        "waitingForHuman": is_human_mode or is_waiting,
    }


async def _post(uow: UnitOfWork, received: ReceivedMessage, reply: str | None) -> str | None:
    """Append the reply, or the message that an agent will answer; return the text, if any."""
    conversation_id, reply_id = received.ids.conversation_id, _reply_id(received)
    conversation = await _load_conversation(uow, conversation_id)
    # A repetition that ran at the same time may have posted the reply meanwhile.
    role, content = conversation.messages.get(reply_id, ("user", ""))
    if role != "user":
        return content
    if reply is not None:
        epoch = received.conversation.epoch
        try:
            await uow.execute(PostBotReply(
                conversation_id, reply_id, reply, epoch, received.ids.message_id
            ))  # fmt: skip
        except Refused as refused:
            if refused.code != "stale_epoch":
                raise
            return None
        return reply
    if conversation.is_human_mode:
        return None
    if not received.is_bot_enabled:
        await uow.execute(WaitForAgent(conversation_id, "auto_reply_off"))
        return None
    reason = "agent_left" if received.conversation.is_human_mode else "bot_failed"
    await uow.execute(WaitForAgent(conversation_id, reason, reply_id, SORRY))
    return SORRY


async def _load_conversation(uow: UnitOfWork, conversation_id: UUID) -> Conversation:
    chat = await uow.load(conversations.decider, conversation_id)
    if conversation_id not in chat.conversations:
        raise UnknownSubject(Stream("conversation", conversation_id))
    return chat.conversations[conversation_id]


def wants_tour(text: str) -> bool:
    return _TOUR.search(text) is not None


def _reply_id(received: ReceivedMessage) -> UUID:
    """Return the id of the reply, which no client can have used for another message."""
    return scoped_id(received.host_property.property_id, "reply", received.ids.message_id)
