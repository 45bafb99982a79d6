"""The simulation: the same story for a seed, and every part of it is taken in."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import orjson
import pytest

from events.bus.publish import create_topic
from events.bus.topics import Topics
from events.widgets import WidgetConfigured
from services.intake.admission import Door
from services.intake.envelope import STRUCTURED
from services.intake.outcome import Fate
from services.intake.settings import IntakeSettings
from services.runtime.settings import Settings
from services.simulation.kafka_records import Reporter
from services.simulation.property import Home
from services.simulation.scenario import (
    LONGEST_STORY_SECONDS,
    Books,
    Comes,
    LeavesContact,
    Says,
    stories,
)
from services.simulation.simulator import Plan, simulate
from tests.services.intake.dead_letters import received
from tests.services.intake.processes import read_all
from tests.world import make_world, parked_reasons

START = datetime.now(UTC) - timedelta(seconds=LONGEST_STORY_SECONDS)
ZONE = "America/New_York"


def test_the_same_seed_tells_the_same_story_and_another_another() -> None:
    assert list(stories(1, 20, 3)) == list(stories(1, 20, 3))
    assert list(stories(1, 20, 3)) != list(stories(2, 20, 3))


def test_a_story_has_its_leads_in_every_property_and_keeps_its_time() -> None:
    deeds = list(stories(5, 90, 3))
    leads = [deed for deed in deeds if isinstance(deed.what, LeavesContact)]
    assert Counter(deed.who.home for deed in leads) == {0: 30, 1: 30, 2: 30}
    times = [deed.at_seconds for deed in deeds]
    assert times == sorted(times)
    assert max(times) < LONGEST_STORY_SECONDS
    assert {Says, Books, Comes} <= {type(deed.what) for deed in deeds}


async def test_the_door_takes_every_event_of_a_story_in_and_again_knows_it(
    pool: asyncpg.Pool,
) -> None:
    world = await make_world(pool, properties=2)
    homes = [Home(one, ZONE) for one in world.properties]
    for one in world.properties:
        roomy = WidgetConfigured(property_id=one, tour_capacity=50)
        await world.append(world.new(roomy, property_id=one))
    reporter = Reporter(homes, START)
    events = [event for deed in stories(3, 60, 2) for event in reporter.events(deed)]
    headers = (("content-type", STRUCTURED.encode()),)
    door = Door(pool, IntakeSettings())
    for fate in (Fate.ACCEPTED, Fate.DUPLICATE):
        for start in range(0, len(events), 300):
            part = [received(event, headers) for event in events[start : start + 300]]
            refused = [
                (orjson.loads(record.value or b"")["type"], outcome)
                for record, outcome in zip(part, await door.take_in(part), strict=True)
                if outcome.fate is not fate
            ]
            assert refused == []
    await world.project()
    assert await parked_reasons(pool) == []
    assert await world.count("leads") == 60
    assert await world.count("tours WHERE status IN ('completed', 'no_show')") > 10


@pytest.mark.stack
async def test_a_story_goes_to_the_intake_topic(kafka_settings: Settings) -> None:
    topic = Topics.of(kafka_settings.topic_prefix).intake
    plan = Plan(
        seed=1, leads=10, rate=0, through="kafka", start=START, homes=[Home(uuid4(), ZONE)],
        bootstrap_servers=kafka_settings.kafka_bootstrap_servers, topic=topic,
    )  # fmt: skip
    await create_topic(plan.bootstrap_servers, topic, partitions=8, replicas=1)
    done = await simulate(plan)
    assert done.deeds < done.events
    records = await read_all(kafka_settings, topic, done.events)
    assert len({orjson.loads(record.value)["id"] for record in records}) == done.events
