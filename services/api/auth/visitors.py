"""Visitors of a property's web site, identified by their own id or by a session token."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from events.record import Cause
from events.visitor_ids import read_visitor_id
from services.api.problems import Problem
from services.application.scope import Scope

MAX_VISITOR_ID_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Visitor:
    """A visitor of a property's web site. The widget key says which property.

    `visitor_hash` is the keyed hash of the id that the client chose. `verified_session_id` is the
    session that a session token proves to be this visitor's. `network` is where the request came
    from. It distinguishes visitors who have neither an id nor a token.
    """

    org_id: UUID
    property_id: UUID
    visitor_hash: str | None
    verified_session_id: UUID | None = None
    network: str = ""

    @property
    def principal(self) -> str:
        """The caller's name in idempotency keys."""
        if self.visitor_hash:
            name = f"visitor/{self.visitor_hash}"
        elif self.verified_session_id:
            name = f"session/{self.verified_session_id}"
        else:
            name = f"from/{self.network}"
        return f"widget/{self.property_id}/{name}"

    @property
    def cause(self) -> Cause:
        return Cause(f"visitor:{self.visitor_hash}" if self.visitor_hash else "visitor")

    def scope(self, property_id: UUID, at: datetime) -> Scope:
        """Return the scope of a write by this visitor at `at`."""
        return Scope(self.org_id, property_id, at, self.cause)

    def owns(self, session_id: UUID, visitor_hash: str | None) -> bool:
        """Return whether a session that was started by `visitor_hash` is this visitor's.

        A session that was started without a visitor id belongs to whoever has its token.
        """
        if visitor_hash is None:
            return self.verified_session_id == session_id
        return self.visitor_hash == visitor_hash

    @property
    def claims(self) -> dict[str, str | None]:
        """The caller's database role and JWT claims, from which row level security decides."""
        return {
            "role": "anon", "org_id": str(self.org_id), "property_id": str(self.property_id),
            "visitor_id": self.visitor_hash,
            "session_id": str(self.verified_session_id) if self.verified_session_id else None,
        }  # fmt: skip


def parse_visitor_id(header: str) -> str | None:
    """Return the visitor id of X-Visitor-ID; None if it is empty or a placeholder.

    Raise 400 for a malformed one.
    """
    text = read_visitor_id(header)
    if text is None:
        return None
    if len(text) > MAX_VISITOR_ID_LENGTH or not text.isprintable():
        raise Problem(
            400, "invalid_visitor",
            f"X-Visitor-ID has {len(text)} characters or unprintable ones: "
            f"send at most {MAX_VISITOR_ID_LENGTH} printable characters",
        )  # fmt: skip
    return text
