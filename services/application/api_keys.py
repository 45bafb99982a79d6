"""API keys: their text, and the check of a key that a service sends.

A key is `crm_` and 64 characters: base64 of its id and of 32 secret bytes. Whether it is valid is
read from the log, not from the tables, so a revocation counts from its commit on.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from events.event import Event
from events.log import read
from events.log.connection import Connection
from events.record import Stream
from services.deciders import api_keys
from services.deciders.decider import Refused

PREFIX = "crm_"
SECRET_BYTES = 32
_ID_BYTES = 16
_TEXT_LENGTH = len(PREFIX) + (_ID_BYTES + SECRET_BYTES) * 4 // 3


@dataclass(frozen=True, slots=True)
class VerifiedApiKey:
    """A key that is valid now. Without properties it opens all of the organisation."""

    id: UUID
    org_id: UUID
    scopes: frozenset[str]
    property_ids: tuple[UUID, ...]

    @property
    def reader(self) -> str:
        """Return the name of the key in the accounts of reads."""
        return reader_name(self.id)


def reader_name(key_id: UUID) -> str:
    """Return the name of a key in the accounts of reads."""
    return f"api_key:{key_id}"


def make_key(key_id: UUID, secret: bytes) -> str:
    """Return the text of a key, which is shown once."""
    return PREFIX + base64.urlsafe_b64encode(key_id.bytes + secret).decode()


def hash_key(text: str) -> str:
    """Return what is stored of a key. The secret is random, so nobody can guess it from this."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


async def verify_key(conn: Connection, text: str, now: datetime) -> VerifiedApiKey:
    """Return the key. Raises `Refused` with status 401 for one that is not valid at `now`.

    Only who has the whole key learns that it has expired or was revoked.
    """
    key_id = _parse_id(text)
    if key_id is None:
        raise _bad_key()
    history = await read.streams(conn, [Stream("api_key", key_id)])
    state = api_keys.decider.initial
    for recorded in history:
        if isinstance(recorded.event, Event):
            state = api_keys.evolve(state, recorded.event)
    issued = state.issued
    if issued is None or not hmac.compare_digest(issued.key_hash, hash_key(text)):
        raise _bad_key()
    if state.is_revoked:
        raise Refused("revoked_key", "the API key was revoked: ask an admin for another one", 401)
    if issued.expires_at is not None and issued.expires_at <= now:
        raise Refused(
            "expired_key",
            f"the API key has expired at {issued.expires_at.isoformat()}: ask an admin for another",
            401,
        )
    return VerifiedApiKey(
        key_id, history[0].org_id, frozenset(issued.scopes), tuple(issued.property_ids)
    )


async def list_keys(conn: Connection, org_id: UUID, now: datetime) -> list[asyncpg.Record]:
    """Return the newest 500 keys of an organisation with their state, newest first."""
    return await conn.fetch(
        "SELECT *, CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= $2 "
        "THEN 'expired' ELSE 'valid' END AS state FROM public.api_keys WHERE org_id = $1 "
        "ORDER BY issued_at DESC, id DESC LIMIT 500",
        org_id,
        now,
    )


async def require_organization(conn: Connection, org_id: UUID) -> None:
    """Raise `Refused` unless the host has this organisation."""
    if not await conn.fetchval("SELECT 1 FROM public.organizations WHERE id = $1", org_id):
        raise Refused("not_found", f"organisation {org_id} not found: check its id", 404)


async def require_properties(conn: Connection, org_id: UUID, property_ids: Iterable[UUID]) -> None:
    """Raise `Refused` unless all of these are properties of the organisation."""
    requested = list(property_ids)
    rows = await conn.fetch(
        "SELECT id FROM public.properties WHERE id = ANY($1::uuid[]) AND org_id = $2",
        requested,
        org_id,
    )
    if unknown := set(requested) - {row["id"] for row in rows}:
        raise Refused("not_found", f"property {min(unknown)} not found: check its id", 404)


def _parse_id(text: str) -> UUID | None:
    if len(text) != _TEXT_LENGTH or not text.startswith(PREFIX):
        return None
    try:
        content = base64.b64decode(text.removeprefix(PREFIX), altchars=b"-_", validate=True)
    except ValueError:
        return None
    return UUID(bytes=content[:_ID_BYTES])


def _bad_key() -> Refused:
    return Refused("bad_key", "the API key is not valid: send the key that was shown once", 401)
