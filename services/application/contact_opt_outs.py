"""Opt-outs of contacts that no lead may have yet: a person can send STOP before it is a lead.

They are rows of an organisation, because a consent in the log belongs to a lead. A contact is
stored as a keyed hash only.
"""

from datetime import datetime
from uuid import UUID

from events.claims import contact_value
from events.consents import ConsentChannel
from events.keys.ring import current_ring
from events.log.connection import Connection
from services.deciders.contacts import email_key, phone_key
from services.deciders.sending_rules.context import ConsentDecision


async def store_contact_decision(
    conn: Connection, org_id: UUID, channel: ConsentChannel, contact: str, given: bool,
    at: datetime, source: str | None,
) -> None:  # fmt: skip
    """Store the newest decision of a contact; an older one that arrives late changes nothing."""
    await conn.execute(
        "INSERT INTO crm.contact_opt_outs AS stored (org_id, channel, contact, given, at, source) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (org_id, channel, contact) DO UPDATE "
        "SET given = excluded.given, at = excluded.at, source = excluded.source "
        "WHERE stored.at <= excluded.at",
        org_id,
        channel,
        await _hash(conn, channel, contact),
        given,
        at,
        source,
    )


async def load_contact_opt_out(
    conn: Connection, org_id: UUID, channel: ConsentChannel, contact: str
) -> list[ConsentDecision]:
    """Return the opt-out of a contact if it is in force, else nothing.

    A contact that allowed messages again is no consent of a lead: it ends the opt-out only.
    """
    at = await conn.fetchval(
        "SELECT at FROM crm.contact_opt_outs WHERE org_id = $1 AND channel = $2 AND contact = $3 "
        "AND NOT given",
        org_id,
        channel,
        await _hash(conn, channel, contact),
    )
    return [] if at is None else [ConsentDecision(False, at, is_own=False)]


async def _hash(conn: Connection, channel: ConsentChannel, contact: str) -> str:
    key = email_key(contact) if channel is ConsentChannel.EMAIL else phone_key(contact)
    return contact_value(key or contact, await current_ring().contact_key(conn))
