"""The person who looks at a page: a console user of an organisation, an operator, or both."""

from collections.abc import Hashable
from dataclasses import dataclass
from uuid import UUID

from starlette.requests import Request

from services.api.auth.console_authentication import find_console_user, identify_bearer
from services.api.auth.console_users import ADMIN, WRITER_ROLES, ConsoleUser
from services.api.context import context_of

COOKIE = "crm_console"


@dataclass(frozen=True, slots=True)
class Viewer:
    """A signed-in person. `user` is None for an operator who belongs to no organisation."""

    id: UUID
    token: str
    user: ConsoleUser | None
    is_operator: bool

    @property
    def can_write(self) -> bool:
        """True if the person may change leads, tours and conversations."""
        return self.user is not None and self.user.role in WRITER_ROLES

    @property
    def is_admin(self) -> bool:
        return self.user is not None and self.user.role == ADMIN

    def rights(self, *, is_personal: bool) -> Hashable:
        """Return a value that is equal for people who see the same; of one person if personal."""
        user = self.user
        person = user.id if user is not None and is_personal else None
        return (user and user.org_id, self.role, person)

    @property
    def role(self) -> str:
        """The role in words, for the frame of the page."""
        names = [self.user.role] if self.user is not None else []
        return " and ".join([*names, *(["operator"] if self.is_operator else [])])


async def find_viewer(request: Request) -> Viewer | None:
    """Return the person of the session's cookie or of the bearer token; None if nobody.

    Raise 503 if the keys of the token issuer cannot be fetched.
    """
    kind, _, bearer = request.headers.get("authorization", "").partition(" ")
    token = bearer.strip() if kind.lower() == "bearer" else request.cookies.get(COOKIE, "")
    context = context_of(request)
    identity = await identify_bearer(context, token)
    if identity is None:
        return None
    user = await find_console_user(context, identity)
    if user is None and not identity.is_operator:
        return None
    return Viewer(identity.user_id, token, user, identity.is_operator)
