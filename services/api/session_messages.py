"""The messages of a visitor's session after a given point, for polling and for event streams."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from events.ids import is_reserved
from projections import conversations, messages, sessions
from services.api.auth.row_security import read_as
from services.api.auth.visitors import Visitor
from services.api.context import ApiContext
from services.api.problems import Problem, not_found
from services.api.reading import QueryRunner, ResultRow
from services.application.client_ids import MESSAGE, load_client_ids, possible_ids

MAX_MESSAGES = 200

ReadPoint: TypeAlias = datetime | int | None
"""Read after this instant, or after the message with this log position; None: from the start."""

_ID = TypeAdapter(UUID)
_INSTANT = TypeAdapter(AwareDatetime)


@dataclass(frozen=True, slots=True)
class SessionMessages:
    """At most `MAX_MESSAGES` messages, oldest first, and the state of the newest conversation.

    `session_id` is the stored id of the session; all other ids are those that the client knows.
    `read_point` is where the next read continues.
    """

    session_id: UUID
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
    property_id = caller.property_id
    async with read_as(context.pool, caller.claims) as conn:
        query = sessions.by_ids(property_id, possible_ids(property_id, "session", session_id))
        row = await conn.first(query)
        if row is None or not caller.owns(row.id, row.visitor_id):
            raise not_found("session")
        if after:
            read_point = await _find_read_point(conn, property_id, row.id, after)
        query = messages.of_session(property_id, row.id, read_point, MAX_MESSAGES)
        rows = await conn.all(query)
        query = conversations.of_sessions(property_id, [row.id])
        newest = await conn.first(query)
        is_waiting = newest is not None and await _is_waiting(conn, newest)
    named = await _load_names(context, property_id, [
        *(key for line in rows for key in (line.id, line.conversation_id)),
        *([newest.id] if newest else ()),
    ])  # fmt: skip
    return SessionMessages(
        row.id,
        [
            {
                "id": named.get(line.id, line.id),
                "conversationId": named.get(line.conversation_id, line.conversation_id),
                "role": line.role, "content": line.content, "author": line.author,
                "createdAt": line.created_at,
            }
            for line in rows
        ],
        rows[-1].position if rows else read_point,
        {
            "conversationId": named.get(newest.id, newest.id) if newest else None,
            "isHumanMode": bool(newest and newest.is_human_mode),
            "waitingForHuman": is_waiting,
        },
    )  # fmt: skip


async def _is_waiting(conn: QueryRunner, conversation: ResultRow) -> bool:
    """Return whether the visitor waits for an agent: one took over and has not answered yet."""
    if not conversation.is_human_mode:
        return bool(conversation.waiting_for_human)
    author: str | None = await conn.scalar(messages.last_author(conversation.id))
    return author != "agent"


async def _load_names(
    context: ApiContext, property_id: UUID, stored_ids: list[UUID]
) -> dict[UUID, UUID]:
    """Return stored id → the client's own id, where they differ."""
    if not any(map(is_reserved, stored_ids)):
        return {}
    async with context.pool.acquire() as conn:
        return await load_client_ids(conn, property_id, stored_ids)


async def _find_read_point(
    conn: QueryRunner, property_id: UUID, session_id: UUID, after: str
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
    message_ids = possible_ids(property_id, MESSAGE, message_id)
    row = await conn.first(messages.by_ids(property_id, session_id, message_ids))
    if row is None:
        raise Problem(
            400, "unknown_message",
            f"after names message {message_id}, which is not in this session: "
            "send the id of the last message that was received, or leave it out",
        )  # fmt: skip
    position: int = row.position
    return position
