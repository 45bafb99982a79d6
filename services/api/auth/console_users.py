"""Console users: people of an organisation, with the rights of their role."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from events.record import Cause
from services.application.scope import Scope

ADMIN = "admin"
WRITER_ROLES = ("manager", ADMIN)
ROLES = ("viewer", *WRITER_ROLES)


@dataclass(frozen=True, slots=True)
class ConsoleUser:
    """A person who works for an organisation.

    `email` and `phone` are those of the person's account, as the bearer token has them.
    """

    id: UUID
    org_id: UUID
    role: str
    email: str | None = None
    phone: str | None = None

    @property
    def principal(self) -> str:
        """The caller's name in idempotency keys."""
        return f"user/{self.id}"

    @property
    def cause(self) -> Cause:
        return Cause(f"user:{self.id}")

    def scope(self, property_id: UUID, at: datetime) -> Scope:
        """Return the scope of a write by this user at `at`."""
        return Scope(self.org_id, property_id, at, self.cause)

    @property
    def claims(self) -> dict[str, str | None]:
        """The caller's database role and JWT claims, from which row level security decides."""
        return {"role": "authenticated", "sub": str(self.id)}
