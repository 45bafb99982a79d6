"""Session tokens: proof that a caller is the visitor of a widget session.

A session token is encrypted and signed (Fernet) with a key that is random and kept in the database.
It contains property, session, visitor and the time of its issue. It expires; each response to the
visitor that contains a token contains a new one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from cryptography.fernet import InvalidToken

from events.log.secret_keys import SecretKey
from services.api.context import ApiContext
from services.runtime.secret_cipher import make_cipher

HEADER = "X-Session-Token"
MAX_TOKEN_LENGTH = 2_000


@dataclass(frozen=True, slots=True)
class SessionClaims:
    """The content of a session token; `visitor_hash` is the keyed hash of the visitor's id."""

    property_id: UUID
    session_id: UUID
    visitor_hash: str | None


async def issue_session_token(context: ApiContext, claims: SessionClaims) -> str:
    """Return a token with these claims that is valid from now on."""
    return sign_session_token(await context.keys.load("session_token"), claims, context.clock.now())


async def verify_session_token(context: ApiContext, token: str | None) -> SessionClaims | None:
    """Return the claims of a token; None if it is expired or this core has not signed it."""
    if not token:
        return None
    now, lifetime = context.clock.now(), timedelta(hours=context.settings.session_token_hours)
    keys = await context.keys.load("session_token")
    claims = read_session_token(keys, token, now, lifetime)
    if claims is None:
        # Another process may have signed it with a key that was added a moment ago.
        keys = await context.keys.load_again("session_token")
        claims = read_session_token(keys, token, now, lifetime)
    return claims


def sign_session_token(keys: Sequence[SecretKey], claims: SessionClaims, at: datetime) -> str:
    """Return the session token with these claims, signed with the first of the keys."""
    content = orjson.dumps([str(claims.property_id), str(claims.session_id), claims.visitor_hash])
    return make_cipher(keys).encrypt_at_time(content, int(at.timestamp())).decode()


def read_session_token(
    keys: Sequence[SecretKey], token: str, at: datetime, lifetime: timedelta
) -> SessionClaims | None:
    """Return the claims of a token that one of the keys signed and that is valid at `at`."""
    if len(token) > MAX_TOKEN_LENGTH:
        return None
    try:
        content = make_cipher(keys).decrypt_at_time(
            token.encode("ascii", "replace"), int(lifetime.total_seconds()), int(at.timestamp())
        )
    except InvalidToken:
        return None
    property_id, session_id, visitor_hash = orjson.loads(content)
    return SessionClaims(UUID(property_id), UUID(session_id), visitor_hash)
