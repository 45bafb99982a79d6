"""The messages of a visitor's session after a given point, for polling and for event streams."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from projections import conversations, messages, sessions
from services.api.auth.visitors import Visitor
from services.api.context import ApiContext
from services.api.problems import Problem, not_found

MAX_MESSAGES = 200

ReadPoint: TypeAlias = datetime | int | None
"""Read after this instant, or after the message with this log position; None: from the start."""

_ID = TypeAdapter(UUID)
_INSTANT = TypeAdapter(AwareDatetime)


@dataclass(frozen=True, slots=True)
class SessionMessages:
    """At most `MAX_MESSAGES` messages, oldest first, and the state of the newest conversation.

    `read_point` is where the next read continues.
    """

    messages: list[dict[str, Any]]
    read_point: ReadPoint
    state: dict[str, Any]


async def read_messages(
    context: ApiContext,
    caller: Visitor,
    session_id: UUID,
    read_point: ReadPoint,
    after: str | None = None,
) -> SessionMessages:
    """Return the messages after `read_point`, or after what the request's `after` names.

    Raise 404 if the session is not the caller's, and 400 for a malformed or unknown `after`.
    """
    async with caller.transaction(context.engine) as conn:
        row = (await conn.execute(sessions.by_id(caller.property_id, session_id))).first()
        if row is None or not caller.owns(session_id, row.visitor_id):
            raise not_found("session")
        if after:
            read_point = await _find_read_point(conn, caller.property_id, session_id, after)
        query = messages.of_session(caller.property_id, session_id, read_point, MAX_MESSAGES)
        rows = (await conn.execute(query)).all()
        query = conversations.of_session(caller.property_id, session_id)
        newest = (await conn.execute(query)).first()
    return SessionMessages(
        [
            {
                "id": row.id, "conversationId": row.conversation_id, "role": row.role,
                "content": row.content, "author": row.author, "createdAt": row.created_at,
            }
            for row in rows
        ],
        rows[-1].position if rows else read_point,
        {
            "conversationId": newest.id if newest else None,
            "isHumanMode": bool(newest and newest.is_human_mode),
            "waitingForHuman": bool(newest and (newest.is_human_mode or newest.waiting_for_human)),
        },
    )  # fmt: skip


async def _find_read_point(
    conn: AsyncConnection, property_id: UUID, session_id: UUID, after: str
) -> ReadPoint:
    try:
        message_id = _ID.validate_strings(after)
    except ValidationError:
        try:
            return _INSTANT.validate_strings(after).astimezone(UTC)
        except (ValidationError, OverflowError):
            raise Problem(
                400, "invalid_after",
                f"after is {after[:100]!r}: send the id of a message or an instant with offset",
            ) from None  # fmt: skip
    row = (await conn.execute(messages.by_id(property_id, session_id, message_id))).first()
    if row is None:
        raise Problem(
            400, "unknown_message",
            f"after names message {message_id}, which is not in this session: "
            "send the id of the last message that was received, or leave it out",
        )  # fmt: skip
    position: int = row.position
    return position
