"""Tokens of widget sessions: whoever holds one is the visitor the session is of.

A JWT of the core's own, signed with HMAC, that says property, session and visitor. It holds as
long as the session does and is the same each time, as the answer to a repeated request must be.
"""

import hashlib
import hmac
from dataclasses import dataclass
from uuid import UUID

import jwt

HEADER = "X-Session-Token"
LONGEST_TOKEN = 2_000
_AUDIENCE = "widget-session"
_ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class Proof:
    """What a token proves."""

    property_id: UUID
    session_id: UUID
    visitor_id: str | None


def token_of(signing_key: bytes, proof: Proof) -> str:
    """The session's token."""
    claims = {
        "aud": _AUDIENCE,
        "property": str(proof.property_id),
        "session": str(proof.session_id),
        "visitor": proof.visitor_id,
    }
    return jwt.encode(claims, _key(signing_key), _ALGORITHM)


def proof_of(signing_key: bytes, token: str | None) -> Proof | None:
    """What a token proves; None for one that is not of this core."""
    if not token or len(token) > LONGEST_TOKEN:
        return None
    try:
        said = jwt.decode(token, _key(signing_key), algorithms=[_ALGORITHM], audience=_AUDIENCE)
        visitor = said["visitor"]
        return Proof(
            UUID(said["property"]), UUID(said["session"]), None if visitor is None else str(visitor)
        )
    except (jwt.PyJWTError, LookupError, ValueError, TypeError, AttributeError):
        return None


def _key(signing_key: bytes) -> bytes:
    return hmac.new(signing_key, b"session", hashlib.sha256).digest()
