"""The conversations that may belong to a visitor's session."""

from uuid import UUID

from projections import conversations
from services.api.auth.row_security import read_as
from services.api.auth.visitors import Visitor
from services.api.context import ApiContext
from services.application.client_ids import default_conversation_id, possible_ids

MAX_CONVERSATIONS = 100


async def list_conversation_ids(
    context: ApiContext, caller: Visitor, session_id: UUID | None, requested_id: UUID | None
) -> tuple[UUID, ...]:
    """Return the ids of the conversations to link with a lead, without duplicates.

    `session_id` and `requested_id` are the client's ids. The table may lag behind the log, so the
    session's default conversation and the one in the request are included too. The decider ignores
    ids that are not of this session.
    """
    if session_id is None:
        return ()
    property_id = caller.property_id
    async with read_as(context.pool, caller.claims) as conn:
        session_ids = possible_ids(property_id, "session", session_id)
        rows = await conn.all(conversations.of_sessions(property_id, session_ids))
        stored_ids = [row.id for row in rows]
    ids = [default_conversation_id(property_id, session_id), *stored_ids]
    if requested_id is not None:
        ids += possible_ids(property_id, "conversation", requested_id)
    return tuple(dict.fromkeys(ids))[:MAX_CONVERSATIONS]
