"""The data of the measurement: very many leads, a log, and what the pages of operators show.

The mass of rows is written directly into the tables. A part of the log, and one lead with a long
history, go through relay and projector as in production.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from uuid import UUID, uuid4

import asyncpg
import orjson

from benchmarks.appending import batches
from benchmarks.console_pages.long_history import LongHistory
from benchmarks.console_pages.rows import insert_rows
from benchmarks.crowd import insert_crowd
from benchmarks.workload import CAUSE, Organization, history
from events.log.append import append, append_staged
from events.log.connection import Connection
from events.log.staged_changes import has_ready_changes
from events.record import NewEvent
from events.widgets import WidgetConfigured
from projections.catalog import LIVE
from services.application.dead_letters import DeadLetterFilter
from services.application.operator_actions import record_action
from services.application.operator_requests import RequestKind, insert_request
from services.application.raw_record import RawRecord
from services.intake.admission import Admission
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock

PROPERTIES_WITH_EVENTS = 12
HISTORY = timedelta(days=35)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
REQUESTS = 12
PARKED = 3


@dataclass(frozen=True)
class SiteSize:
    """The numbers of leads, of events in the log, and of dead letters."""

    leads: int = 1_000_000
    in_large_property: int = 100_000
    events: int = 60_000
    dead_letters: int = 500


QUICK_SITE = SiteSize(leads=20_000, in_large_property=2_000, events=3_000, dead_letters=60)


@dataclass(frozen=True, slots=True)
class Site:
    """The ids of the large property, of its people, and of two of its leads."""

    org_id: UUID
    property_id: UUID
    manager: UUID
    admin: UUID
    viewer: UUID
    long_lead: UUID
    """The lead with a long history."""
    plain_lead: UUID


async def append_site(conn: Connection, size: SiteSize) -> Site:
    """Insert the rows, and append the events that relay and projector shall process then."""
    crowd = await insert_crowd(conn, size.leads, size.in_large_property)
    await insert_rows(conn, crowd.property_id)
    admin, viewer = uuid4(), uuid4()
    for profile, role in ((admin, "admin"), (viewer, "viewer")):
        await conn.execute(
            "INSERT INTO profiles (id, org_id, role, full_name) VALUES ($1, $2, $3, 'Sam')",
            profile, crowd.org_id, role,
        )  # fmt: skip
    while await has_ready_changes(conn):
        async with conn.transaction():
            await append_staged(conn)
    rows = await conn.fetch(
        "SELECT id FROM properties WHERE org_id = $1 ORDER BY id <> $2, id LIMIT $3",
        crowd.org_id, crowd.property_id, PROPERTIES_WITH_EVENTS,
    )  # fmt: skip
    properties = tuple(row["id"] for row in rows)
    organization = Organization(crowd.org_id, properties, (crowd.member,) * len(properties))
    now = datetime.now(UTC)
    long_history = LongHistory(crowd.org_id, crowd.property_id, admin, now)
    recent = takewhile(
        lambda new: new.occurred_at < now,
        history(1, organization, size.events, now - HISTORY),
    )
    await _append(conn, [_configure_widget(crowd.org_id, crowd.property_id, now)])
    for batch in batches(recent):
        await _append(conn, batch)
    for batch in batches(iter(long_history.events())):
        await _append(conn, batch)
    return Site(
        crowd.org_id, crowd.property_id, crowd.member, admin, viewer, long_history.lead,
        crowd.busy_lead,
    )  # fmt: skip


async def refuse_records(pool: asyncpg.Pool, site: Site, size: SiteSize) -> None:
    """Add what operators look at: dead letters, parked events, requests. The log is projected."""
    admission = Admission(pool, IntakeSettings(), Clock())
    for batch in batches(iter(_bad_records(site, size.dead_letters))):
        await admission.admit(batch)
    async with pool.acquire() as conn:
        for kind, parameters in (
            *[(RequestKind.VERIFY, {"names": ["leads"]})] * REQUESTS,
            (RequestKind.PREVIEW_REDRIVE, DeadLetterFilter().to_json()),
        ):
            action_id = uuid4()
            async with conn.transaction():
                await record_action(conn, action_id, site.admin, kind.value, {}, "a measurement")
                await insert_request(conn, action_id, kind, parameters)
        await conn.execute(_PARK, LIVE.name, site.long_lead, PARKED)


async def _append(conn: Connection, events: Sequence[NewEvent]) -> None:
    async with conn.transaction():
        await append(conn, events, expected={})


def _configure_widget(org_id: UUID, property_id: UUID, at: datetime) -> NewEvent:
    """Return the event that offers tours on six days of the week."""
    hours = {day: {"start": "09:00", "end": "18:00"} for day in WEEKDAYS}
    event = WidgetConfigured(
        property_id=property_id, is_active=True, tours_enabled=True, tour_hours=hours,
        tour_duration_minutes=30, tour_capacity=4,
    )  # fmt: skip
    return NewEvent(uuid4(), event, org_id, property_id, at, CAUSE)


def _bad_records(site: Site, count: int) -> Iterable[RawRecord]:
    """Yield records of a producer that name an agent who does not exist."""
    for number in range(count):
        data = {
            "activity_id": str(uuid4()), "lead_id": str(site.long_lead), "type": "note",
            "description": "wants parking", "created_by": str(uuid4()),
        }  # fmt: skip
        attributes = {
            "specversion": "1.0", "id": str(uuid4()), "source": "/benchmark",
            "type": "activity.recorded", "propertyid": str(site.property_id),
        }  # fmt: skip
        headers = (
            ("content-type", b"application/json"),
            *((f"ce_{name}", text.encode()) for name, text in attributes.items()),
        )
        at = int(datetime.now(UTC).timestamp() * 1_000)
        yield RawRecord("bench.intake", 0, number, at, None, orjson.dumps(data), headers)


_PARK = """
    INSERT INTO crm.parked
      (projection_group, event_id, shard, position, touches, reason, detail, behind)
    SELECT $1, id, shard, position, ARRAY[entity_id], 'leads', 'no such row', false
    FROM crm_events WHERE entity_type = 'task' AND lead_id = $2 ORDER BY seq LIMIT $3
"""
