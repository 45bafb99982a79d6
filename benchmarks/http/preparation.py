"""The preparation of a database for the HTTP measurement: a member, a widget, and leads."""

import asyncio
from hashlib import sha256
from uuid import uuid4

from benchmarks.child import run_process
from benchmarks.http.jobs import Target
from benchmarks.http.measuring import SECRET
from benchmarks.workload import Organization
from events.log.append import append
from events.log.connection import Connection
from events.record import Cause, NewEvent
from events.widgets import WidgetConfigured, WidgetKeyIssued
from projections.catalog import LIVE
from services.runtime.clock import Clock
from services.runtime.database import connect
from services.runtime.settings import Settings

LEADS = 50
"""The leads of the requests, in turn: those with the most rows of their property."""


async def prepare_target(settings: Settings, organization: Organization) -> Target:
    """Make an agent a manager and its property's widget active; return what requests name."""
    property_id, member = organization.properties[0], organization.agents[0]
    key, at = f"lk_{uuid4().hex}", Clock().now()
    issued = WidgetKeyIssued(
        property_id=property_id, key_id=uuid4(), key_hash=sha256(key.encode()).hexdigest()
    )
    configured = WidgetConfigured(property_id=property_id, is_active=True)
    conn = await connect(settings, "bench http", role=None)
    async with conn.transaction():
        await conn.execute("UPDATE profiles SET role = 'manager' WHERE id = $1", member)
        new = [
            NewEvent(uuid4(), event, organization.org_id, property_id, at, Cause("benchmark"))
            for event in (issued, configured)
        ]
        await append(conn, new, expected={})
    async with run_process("services.relay", settings), run_process("services.projector", settings):
        # As in production: timers have changed the scores that time alone changes.
        async with run_process("services.timers", settings):
            await wait_until_projected(conn)
    rows = await conn.fetch(
        "SELECT l.id FROM leads l JOIN lead_engagement_events e ON e.lead_id = l.id "
        "WHERE l.property_id = $1 AND l.merged_into IS NULL GROUP BY 1 "
        "ORDER BY count(*) DESC, l.id LIMIT $2",
        property_id,
        LEADS,
    )
    await conn.execute("VACUUM (ANALYZE)")
    await conn.close()
    return Target(property_id, member, tuple(row["id"] for row in rows), key, SECRET)


async def wait_until_projected(conn: Connection) -> None:
    """Wait until the tables contain the whole log, and no score is due."""
    while await conn.fetchval(_LAGS, LIVE.name):
        await asyncio.sleep(0.1)


_LAGS = """
    SELECT EXISTS (SELECT FROM crm_events WHERE position IS NULL) OR EXISTS (
      SELECT FROM crm.shards LEFT JOIN crm.checkpoints checkpoint
        ON checkpoint.shard = shards.shard AND projection_group = $1
      WHERE shards.position > coalesce(checkpoint.position, 0)) OR EXISTS (
      SELECT FROM crm_state.lead_score_state WHERE next_change_at < now())
"""
