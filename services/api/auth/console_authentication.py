"""Authentication of console users, as dependencies of routes.

A malformed token, an expired one and one of an unknown user get the same response. So nobody can
find out which users exist.
"""

from functools import partial
from typing import Annotated, TypeAlias

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from projections import host
from services.api.auth.bearer import BearerIdentity, InvalidBearerToken
from services.api.auth.console_users import ADMIN, ROLES, WRITER_ROLES, ConsoleUser
from services.api.change_reasons import check_reason
from services.api.context import ApiContext, context_of
from services.api.problems import Problem
from services.api.reading import PreparedQuery

SCHEME = "consoleUser"
_PROFILE = PreparedQuery(host.profile, "profile_id")
_JWT = HTTPBearer(
    scheme_name=SCHEME, bearerFormat="JWT", auto_error=False,
    description="A console user's token, issued by the identity provider of the organisation.",
)  # fmt: skip


async def authenticate_console_user(
    request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_JWT)]
) -> ConsoleUser:
    """Return the caller of a console route.

    Raise 401, and 503 if the keys of the token issuer cannot be fetched.
    """
    token = bearer.credentials.strip() if bearer else ""
    identity = await identify_bearer(context_of(request), token)
    user = identity and await find_console_user(context_of(request), identity)
    if user is None:
        raise _unauthenticated()
    return user


async def identify_bearer(context: ApiContext, token: str) -> BearerIdentity | None:
    """Return the person of a token; None if it is not valid.

    Raise 503 if the keys of the token issuer cannot be fetched.
    """
    if not token:
        return None
    try:
        return await context.identities.load(
            token, partial(context.bearer_verifier.identify, token)
        )
    except InvalidBearerToken:
        return None


async def find_console_user(context: ApiContext, identity: BearerIdentity) -> ConsoleUser | None:
    """Return the console user of a person; None if no organisation has the person's profile."""
    row = await context.profiles.load(
        identity.user_id, lambda: context.find(_PROFILE(profile_id=identity.user_id))
    )
    if row is None or row.org_id is None:
        return None
    return ConsoleUser(
        identity.user_id, row.org_id, row.role or "viewer", identity.email, identity.phone
    )


async def require_writer(
    caller: Annotated[ConsoleUser, Depends(authenticate_console_user)],
    _reason: Annotated[None, Depends(check_reason)],
) -> ConsoleUser:
    """Return a caller who may change data. Raise 403 for other roles."""
    if caller.role not in WRITER_ROLES:
        raise _forbidden(caller, "manager or admin")
    return caller


async def require_admin(
    caller: Annotated[ConsoleUser, Depends(authenticate_console_user)],
) -> ConsoleUser:
    """Return a caller who may read and change configuration and keys. Raise 403 for other roles."""
    if caller.role != ADMIN:
        raise _forbidden(caller, ADMIN)
    return caller


async def require_admin_writer(
    caller: Annotated[ConsoleUser, Depends(require_admin)],
    _reason: Annotated[None, Depends(check_reason)],
) -> ConsoleUser:
    """Return a caller who may change configuration and keys. Raise 403 for other roles."""
    return caller


ALLOWED_ROLES = {
    authenticate_console_user: ROLES,
    require_writer: WRITER_ROLES,
    require_admin: (ADMIN,),
    require_admin_writer: (ADMIN,),
}
"""Dependency → the roles of console users that it lets pass."""

ConsoleReader: TypeAlias = Annotated[ConsoleUser, Depends(authenticate_console_user)]
ConsoleWriter: TypeAlias = Annotated[ConsoleUser, Depends(require_writer)]
ConsoleAdmin: TypeAlias = Annotated[ConsoleUser, Depends(require_admin)]
ConsoleAdminWriter: TypeAlias = Annotated[ConsoleUser, Depends(require_admin_writer)]


def _unauthenticated() -> Problem:
    return Problem(
        401, "unauthenticated",
        "the bearer token is missing or not valid: sign in and send Authorization: Bearer <token>",
        headers={"WWW-Authenticate": "Bearer"},
    )  # fmt: skip


def _forbidden(caller: ConsoleUser, needed: str) -> Problem:
    return Problem(
        403, "forbidden", f"the role {caller.role} may not do this: ask a user with role {needed}"
    )
