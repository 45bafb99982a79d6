"""What was said in a visitor's session since a place: read for polling and for streams alike."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from projections import conversations, messages, sessions
from services.api.auth.callers import Visitor, no_such
from services.api.context import Core
from services.api.problems import Problem

MOST_MESSAGES = 200

Place: TypeAlias = datetime | int | None
"""After this instant, or after the message at this position; none: from the beginning."""

_ID = TypeAdapter(UUID)
_INSTANT = TypeAdapter(AwareDatetime)


@dataclass(frozen=True, slots=True)
class Since:
    """Messages, at most `MOST_MESSAGES`, oldest first; where they end; and how the chat stands."""

    messages: list[dict[str, Any]]
    place: Place
    state: dict[str, Any]


async def read_since(
    core: Core, caller: Visitor, session_id: UUID, place: Place, after: str | None = None
) -> Since:
    """What came after a place, or after what `after` names. Raises 404 for a session of others."""
    async with caller.transaction(core.engine) as conn:
        row = (await conn.execute(sessions.one(caller.property_id, session_id))).first()
        if row is None or not caller.owns(session_id, row.visitor_id):
            raise no_such("session")
        if after:
            place = await _place(conn, caller.property_id, session_id, after)
        query = messages.of_session(caller.property_id, session_id, place, MOST_MESSAGES)
        said = (await conn.execute(query)).all()
        held = (await conn.execute(conversations.of_session(caller.property_id, session_id))).all()
    newest = held[0] if held else None
    return Since(
        [
            {
                "id": one.id, "conversationId": one.conversation_id, "role": one.role,
                "content": one.content, "author": one.author, "createdAt": one.created_at,
            }
            for one in said
        ],
        said[-1].position if said else place,
        {
            "conversationId": newest.id if newest else None,
            "isHumanMode": bool(newest and newest.is_human_mode),
            "waitingForHuman": bool(newest and (newest.is_human_mode or newest.waiting_for_human)),
        },
    )  # fmt: skip


async def _place(conn: AsyncConnection, property_id: UUID, session_id: UUID, after: str) -> Place:
    try:
        message_id = _ID.validate_strings(after)
    except ValidationError:
        try:
            return _INSTANT.validate_strings(after).astimezone(UTC)
        except (ValidationError, OverflowError):
            raise Problem(
                400, "invalid_after", "after is the id of a message or an instant with its offset"
            ) from None
    seen = (await conn.execute(messages.one(property_id, session_id, message_id))).first()
    if seen is None:
        raise Problem(400, "unknown_message", "after names no message of this session")
    position: int = seen.position
    return position
