"""Links of `crm console`, each of which signs a person in once, on a developer's machine.

A link contains a token that says who it is for, is valid for two minutes, and signed with the
secret of the development tokens. Where the issuer's public keys are used, there are no links.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt

from services.api.auth.bearer import OPERATOR, ROLE
from services.api.context import ApiContext
from services.api.problems import Problem
from services.runtime.settings import Settings

LINK_AUDIENCE = "crm-console-link"
LINK_MINUTES = 2
SESSION_HOURS = 12


def make_link_token(secret: str, user_id: UUID, *, operator: bool) -> str:
    """Return the token of a link for a user."""
    now = datetime.now(UTC)
    claims = {
        "sub": str(user_id), "aud": LINK_AUDIENCE, "jti": str(uuid4()), "operator": operator,
        "exp": now + timedelta(minutes=LINK_MINUTES),
    }  # fmt: skip
    return jwt.encode(claims, secret, algorithm="HS256")


async def spend_link(context: ApiContext, link: str) -> str:
    """Return a session's bearer token for a link that was not used before. Raise 401."""
    secret = context.settings.jwt_secret
    if secret is None:
        raise _invalid()
    try:
        claims = jwt.decode(
            link, secret.get_secret_value(), algorithms=["HS256"], audience=LINK_AUDIENCE,
            options={"require": ["exp", "sub", "aud", "jti"]},
        )  # fmt: skip
        link_id, user_id = UUID(claims["jti"]), UUID(claims["sub"])
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        raise _invalid() from None
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    async with context.pool.acquire() as conn:
        # A row is needed only while its link is valid.
        await conn.execute("DELETE FROM crm.console_links WHERE expires_at < clock_timestamp()")
        is_new = await conn.fetchval(
            "INSERT INTO crm.console_links (id, expires_at) VALUES ($1, $2) "
            "ON CONFLICT DO NOTHING RETURNING true",
            link_id, expires_at,
        )  # fmt: skip
    if not is_new:
        raise _invalid()
    return make_session_token(
        context.settings, secret.get_secret_value(), user_id, operator=bool(claims["operator"])
    )


def make_session_token(
    settings: Settings,
    secret: str,
    user_id: UUID,
    *,
    operator: bool = False,
    hours: float = SESSION_HOURS,
    email: str | None = None,
    phone: str | None = None,
) -> str:
    """Return a bearer token of a development user, as the host issues it."""
    claims: dict[str, Any] = {
        "sub": str(user_id), "aud": settings.jwt_audience, "role": ROLE,
        "exp": datetime.now(UTC) + timedelta(hours=hours),
        **({"iss": settings.jwt_issuer} if settings.jwt_issuer else {}),
        **({"email": email} if email else {}),
        **({"phone": phone} if phone else {}),
        **({"app_metadata": {"crm_role": OPERATOR}} if operator else {}),
    }  # fmt: skip
    return jwt.encode(claims, secret, algorithm="HS256")


def _invalid() -> Problem:
    return Problem(
        401, "unauthenticated",
        "the link was used before, or it has expired: run `crm console` for a new one",
    )  # fmt: skip
