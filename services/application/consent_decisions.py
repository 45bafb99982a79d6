"""The newest decisions of leads about a channel, read without their streams."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from events.consents import ConsentChannel, consent_id
from events.log.connection import Connection
from services.deciders.sending_rules.context import ConsentDecision


async def load_decisions(
    conn: Connection, channel: ConsentChannel, lead_ids: Sequence[UUID]
) -> list[ConsentDecision]:
    """Return the newest decision of each other lead that has one, whatever its property."""
    if not lead_ids:
        return []
    rows = await conn.fetch(
        "SELECT DISTINCT ON (entity_id) event_type, payload->>'at' AS at FROM public.crm_events "
        "WHERE entity_type = 'consent' AND entity_id = ANY($1::uuid[]) "
        "ORDER BY entity_id, version DESC",
        [consent_id(lead_id, channel) for lead_id in lead_ids],
    )
    return [
        ConsentDecision(
            row["event_type"] == "consent.given", datetime.fromisoformat(row["at"]), is_own=False
        )
        for row in rows
    ]
