"""Stream tickets: random values that open the event stream of one session, once.

An EventSource cannot set headers. Browsers, proxies and servers log addresses, so the address of a
stream contains neither the widget key nor a token, but a ticket that expires soon.
"""

import hashlib
import secrets
from typing import NamedTuple
from uuid import UUID

from events.log.connection import Connection

LIFETIME_SECONDS = 60
MAX_TICKET_LENGTH = 100
PURGE_AT_ONCE = 1_000
_TICKET_BYTES = 32


class TicketClaims(NamedTuple):
    """The property and the session that a ticket opens."""

    property_id: UUID
    session_id: UUID


async def issue_ticket(conn: Connection, claims: TicketClaims) -> str:
    """Store a new ticket as a hash, and return it."""
    ticket = secrets.token_urlsafe(_TICKET_BYTES)
    await conn.execute(
        "INSERT INTO crm.stream_tickets (ticket_hash, property_id, session_id, expires_at) "
        "VALUES ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))",
        _hash(ticket),
        claims.property_id,
        claims.session_id,
        float(LIFETIME_SECONDS),
    )
    return ticket


async def redeem_ticket(conn: Connection, ticket: str) -> TicketClaims | None:
    """Return what the ticket opens and delete it; None if it is unknown, used or expired."""
    if not ticket or len(ticket) > MAX_TICKET_LENGTH:
        return None
    row = await conn.fetchrow(
        "DELETE FROM crm.stream_tickets WHERE ticket_hash = $1 "
        "RETURNING property_id, session_id, expires_at > clock_timestamp() AS is_valid",
        _hash(ticket),
    )
    if row is None or not row["is_valid"]:
        return None
    return TicketClaims(row["property_id"], row["session_id"])


async def purge(conn: Connection) -> int:
    """Delete at most `PURGE_AT_ONCE` expired tickets, and return their number."""
    status: str = await conn.execute(
        "DELETE FROM crm.stream_tickets WHERE ticket_hash IN (SELECT ticket_hash "
        "FROM crm.stream_tickets WHERE expires_at <= clock_timestamp() LIMIT $1 "
        "FOR UPDATE SKIP LOCKED)",
        PURGE_AT_ONCE,
    )
    return int(status.rpartition(" ")[2])


def _hash(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode("utf-8", "surrogateescape")).digest()
