"""One turn of a visitor's chat: what was said, who it was, and the answer of bot or nobody."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from events.ids import message_event_id
from events.log.commands import Command
from events.log.token import Token
from events.record import Cause
from services.adapters.responder import Responder
from services.application.chat_replies import answer, think
from services.application.command_handler import transact
from services.application.unit_of_work import Scope, UnitOfWork
from services.application.visitor_messages import Heard, Said, hear


@dataclass(frozen=True, slots=True)
class Turned:
    """The answer, as JSON, and the token of what was written last."""

    answer: dict[str, Any]
    token: Token | None


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

    heard: list[Heard] = []

    async def hearing(uow: UnitOfWork) -> dict[str, Any]:
        heard.append(await hear(uow, said))
        return {}

    first = await transact(pool, Scope(*where, _now(), cause), hearing, once=once, ends=False)
    if first.repeated:
        return Turned(first.result, first.token)
    known = heard[-1]
    reply = await think(responder, known, said)

    async def answering(uow: UnitOfWork) -> dict[str, Any]:
        return await answer(uow, known, said, reply)

    scope = Scope(*where, _now(), Cause("bot", causation_id=message_event_id(said.message_id)))
    seed = once.seed("reply") if once else None
    second = await transact(pool, scope, answering, once=once, seed=seed)
    return Turned(second.result, second.token or first.token)


def _now() -> datetime:
    return datetime.now(UTC)
