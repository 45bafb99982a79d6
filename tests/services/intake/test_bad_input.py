"""Bad input by the thousand: none lost, none crashes, every one has a fate and a reason."""

from itertools import islice
from uuid import uuid4

import asyncpg

from services.intake.admission import Door
from services.intake.raw_record import Received
from services.intake.settings import IntakeSettings
from tests.services.intake.bad_values import raw_records
from tests.services.intake.dead_letters import received
from tests.world import make_world, parked_reasons

RECORDS = 4_000


async def test_every_bad_record_ends_as_a_dead_letter_with_a_reason(pool: asyncpg.Pool) -> None:
    world = await make_world(pool)
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    door = Door(pool, IntakeSettings())
    before = await world.count("crm_events")
    records = [
        received(value, tuple(headers))
        for value, headers in islice(raw_records(7, world.properties[0], lead), RECORDS)
    ]
    outcomes = []
    for start in range(0, RECORDS, 500):
        outcomes += await door.take_in(records[start : start + 500])
    fates = [outcome.fate.value for outcome in outcomes]
    assert len(outcomes) == RECORDS
    assert await world.count("crm_events") - before == fates.count("accepted")
    assert await world.count("crm.dead_letters") == fates.count("dead")
    assert await world.count("crm.intake_waiting") == fates.count("waiting")
    assert min(fates.count(fate) for fate in ("accepted", "duplicate", "waiting", "dead")) > 0
    rows = await pool.fetch("SELECT * FROM crm.dead_letters")
    assert all(row["reason"] and row["detail"] for row in rows)
    assert "unstorable" not in {row["reason"] for row in rows}, "a check should have caught it"
    sent = {record.id: record for record in records}
    assert all(Received.of_row(dict(row)).value == sent[row["id"]].value for row in rows)
    await world.project()
    assert await parked_reasons(pool) == [], "what the door takes in can be projected"
