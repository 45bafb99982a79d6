"""Session tokens: proof that a caller is the visitor of a widget session.

A session token is a JWT of the core's own, signed with HMAC, with property, session and visitor.
It has no expiry: it is valid as long as the session. It contains no instant either, so that the
response to a repeated request is the same to the byte.
"""

import hashlib
import hmac
from dataclasses import dataclass
from uuid import UUID

import jwt

HEADER = "X-Session-Token"
MAX_TOKEN_LENGTH = 2_000
_AUDIENCE = "widget-session"
_ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class SessionClaims:
    """The content of a session token."""

    property_id: UUID
    session_id: UUID
    visitor_id: str | None


def sign_session_token(signing_key: bytes, claims: SessionClaims) -> str:
    """Return the session token with these claims."""
    payload = {
        "aud": _AUDIENCE,
        "property": str(claims.property_id),
        "session": str(claims.session_id),
        "visitor": claims.visitor_id,
    }
    return jwt.encode(payload, _derive_key(signing_key), _ALGORITHM)


def verify_session_token(signing_key: bytes, token: str | None) -> SessionClaims | None:
    """Return the claims of a token; None if this core has not signed it."""
    if not token or len(token) > MAX_TOKEN_LENGTH:
        return None
    try:
        payload = jwt.decode(
            token, _derive_key(signing_key), algorithms=[_ALGORITHM], audience=_AUDIENCE
        )
        visitor_id = payload["visitor"]
        return SessionClaims(
            UUID(payload["property"]),
            UUID(payload["session"]),
            None if visitor_id is None else str(visitor_id),
        )
    except (jwt.PyJWTError, LookupError, ValueError, TypeError, AttributeError):
        return None


def _derive_key(signing_key: bytes) -> bytes:
    """Return a key for session tokens only: other signatures with `signing_key` are no tokens."""
    return hmac.new(signing_key, b"session", hashlib.sha256).digest()
