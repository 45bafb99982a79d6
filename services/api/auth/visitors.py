"""Visitors of a property's site: by the widget's key, and by an id of their own or a token."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from events.record import Cause
from services.api.auth.row_security import become
from services.api.problems import Problem
from services.application.unit_of_work import Scope

LONGEST_VISITOR_ID = 200


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody on a property's site; the key says which, the id is the client's own.

    `proven` is the session that a token proved to be this visitor's; `source` the network it came
    from, which is all that tells visitors apart who have neither.
    """

    org_id: UUID
    property_id: UUID
    visitor_id: str | None
    proven: UUID | None = None
    source: str = ""

    @property
    def principal(self) -> str:
        own = f"session/{self.proven}" if self.proven else f"from/{self.source}"
        who = f"visitor/{self.visitor_id}" if self.visitor_id else own
        return f"widget/{self.property_id}/{who}"

    @property
    def cause(self) -> Cause:
        return Cause(f"visitor:{self.visitor_id}" if self.visitor_id else "visitor")

    @property
    def scope(self) -> Scope:
        """Where and why this visitor changes something now."""
        return Scope(self.org_id, self.property_id, datetime.now(UTC), self.cause)

    def owns(self, session_id: UUID, visitor_id: str | None) -> bool:
        """Is a session of that visitor this one's? One begun by nobody only by its token."""
        if visitor_id is None:
            return self.proven == session_id
        return self.visitor_id == visitor_id

    @asynccontextmanager
    async def transaction(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        """Where this caller's queries run."""
        claims = {
            "role": "anon", "org_id": str(self.org_id), "property_id": str(self.property_id),
            "visitor_id": self.visitor_id,
        }  # fmt: skip
        async with engine.begin() as conn:
            await become(conn, claims)
            yield conn


def is_listed(origin: str, allowed: object) -> bool:
    """Origins are compared whole; `null` is what any sandboxed page sends, so never allowed."""
    listed = allowed if isinstance(allowed, list) else []
    return origin != "null" and plain(origin) in {plain(str(one)) for one in listed}


def plain(origin: str) -> str:
    return origin.strip().rstrip("/").casefold()


def visitor_id_of(said: str) -> str | None:
    """Raises `Problem`."""
    text = said.strip()
    if not text:
        return None
    if len(text) > LONGEST_VISITOR_ID or not text.isprintable():
        raise Problem(400, "invalid_visitor", "X-Visitor-ID is not an id")
    return text
