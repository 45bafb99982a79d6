"""People of an organisation: what they may do, and what is theirs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from events.record import Cause, Stream
from projections import host
from services.api.auth.row_security import become
from services.api.context import Core
from services.api.problems import Problem
from services.application.unit_of_work import Scope
from services.host import find_stream_owner

MAY_WRITE = frozenset({"manager", "admin"})
ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who works for an organisation."""

    id: UUID
    org_id: UUID
    role: str

    @property
    def principal(self) -> str:
        return f"user/{self.id}"

    @property
    def cause(self) -> Cause:
        return Cause(f"user:{self.id}")

    def scope(self, property_id: UUID) -> Scope:
        """Where and why this person changes something now."""
        return Scope(self.org_id, property_id, datetime.now(UTC), self.cause)

    @asynccontextmanager
    async def transaction(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        """Where this caller's queries run."""
        async with engine.begin() as conn:
            await become(conn, {"role": "authenticated", "sub": str(self.id)})
            yield conn

    async def property_of_lead(self, core: Core, lead_id: UUID) -> UUID:
        """The property of a lead of this organisation, by the log. Raises 404."""
        async with core.pool.acquire() as conn:
            home = await find_stream_owner(conn, Stream("lead", lead_id))  # type: ignore[arg-type]
        if home is None or home[0] != self.org_id or home[1] is None:
            raise no_such("lead")
        return home[1]

    async def demand_property(self, core: Core, property_id: UUID) -> None:
        """Raises 404 for a property that is not of this organisation."""
        async with self.transaction(core.engine) as conn:
            found = await conn.scalar(host.org_of_property(property_id))
        if found != self.org_id:
            raise no_such("property")


def no_such(kind: str) -> Problem:
    """The same for what is not there and for what is another's."""
    return Problem(404, "not_found", f"{kind} not found")
