"""Thousands of wrong records: none is lost or crashes, each has an outcome and a reason."""

from itertools import islice
from uuid import uuid4

import asyncpg

from services.application import dead_letters
from services.application.dead_letters import DeadLetterFilter
from services.intake.admission import Admission
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from tests.services.intake.bad_values import raw_records
from tests.services.intake.producer_records import raw_record
from tests.world import make_world, read_parked_reasons

RECORDS = 4_000


async def test_every_wrong_record_becomes_a_dead_letter_with_a_reason(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    admission = Admission(pool, IntakeSettings(), Clock())
    before = await world.count("crm_events")
    records = [
        raw_record(value, tuple(headers))
        for value, headers in islice(raw_records(7, world.properties[0], lead), RECORDS)
    ]
    outcomes = []
    for start in range(0, RECORDS, 500):
        outcomes += await admission.admit(records[start : start + 500])
    statuses = [outcome.status.value for outcome in outcomes]
    assert len(outcomes) == RECORDS
    assert await world.count("crm_events") - before == statuses.count("accepted")
    assert await world.count("crm.dead_letters") == statuses.count("dead")
    assert await world.count("crm.intake_waiting") == statuses.count("waiting")
    assert (
        min(statuses.count(status) for status in ("accepted", "duplicate", "waiting", "dead")) > 0
    )
    async with pool.acquire() as conn:
        dead = await dead_letters.find(conn, DeadLetterFilter(), RECORDS)
    assert all(item.columns["reason"] and item.detail for item in dead)
    assert "unstorable" not in {item.columns["reason"] for item in dead}, (
        "a check should find it before the database does"
    )
    records_by_id = {record.id: record for record in records}
    assert all(
        item.record is not None and item.record.value == records_by_id[item.id].value
        for item in dead
    )
    await world.project()
    assert await read_parked_reasons(pool) == [], "an accepted event can be projected"
