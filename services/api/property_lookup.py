"""Whose is it? The property of something a person names by its id, by the log."""

from uuid import UUID

from events.record import Stream
from services.api.auth.callers import Person, no_such
from services.api.context import Core
from services.host import find_stream_owner


async def property_of(core: Core, caller: Person, stream: Stream, kind: str) -> UUID:
    """Raises 404 for what is not there, and for what is another organisation's."""
    async with core.pool.acquire() as conn:
        home = await find_stream_owner(conn, stream)  # type: ignore[arg-type]
    if home is None or home[0] != caller.org_id or home[1] is None:
        raise no_such(kind)
    return home[1]
