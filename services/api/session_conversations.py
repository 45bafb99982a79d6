"""The conversations that may belong to a visitor's session."""

from uuid import UUID

from projections import conversations
from services.api.auth.visitors import Visitor
from services.api.context import ApiContext
from services.application.visitor_messages import default_conversation_id

MAX_CONVERSATIONS = 100


async def list_conversation_ids(
    context: ApiContext, caller: Visitor, session_id: UUID | None, requested_id: UUID | None
) -> tuple[UUID, ...]:
    """Return the ids of the conversations to link with a lead, without duplicates.

    The table may lag behind the log, so the session's default conversation and the one in the
    request are included too. The decider ignores ids that are not of this session.
    """
    if session_id is None:
        return ()
    async with caller.transaction(context.engine) as conn:
        rows = await conn.execute(conversations.of_session(caller.property_id, session_id))
        stored_ids = [row.id for row in rows]
    ids = [default_conversation_id(session_id), *stored_ids]
    if requested_id is not None:
        ids.append(requested_id)
    return tuple(dict.fromkeys(ids))[:MAX_CONVERSATIONS]
