"""The simulation: the same actions for the same seed, and the intake accepts all of them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

import asyncpg
import orjson
import pytest

from events.bus.topic_creation import create_topic
from events.bus.topics import Topics
from events.widgets import WidgetConfigured
from services.intake.admission import Admission
from services.intake.outcome import IntakeStatus
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from services.runtime.cloud_events import STRUCTURED
from services.runtime.settings import Settings
from services.simulation.kafka_records import RecordBuilder
from services.simulation.scenario import (
    MAX_DURATION_SECONDS,
    Action,
    ChatMessage,
    ContactForm,
    TourAttendance,
    TourBooking,
    generate_actions,
)
from services.simulation.simulated_property import SimulatedProperty
from services.simulation.simulator import SimulationPlan, simulate
from tests.conftest import make_broker
from tests.services.intake.processes import read_all
from tests.services.intake.producer_records import raw_record
from tests.world import make_world, read_parked_reasons

START = datetime.now(UTC) - timedelta(seconds=MAX_DURATION_SECONDS)
ZONE = "America/New_York"


def test_the_same_seed_gives_the_same_actions_and_another_seed_others() -> None:
    assert list(generate_actions(1, 20, 3)) == list(generate_actions(1, 20, 3))
    assert list(generate_actions(1, 20, 3)) != list(generate_actions(2, 20, 3))


def test_every_property_has_leads_and_the_actions_stay_in_their_time() -> None:
    actions = list(generate_actions(5, 90, 3))
    leads = [action for action in actions if isinstance(action.detail, ContactForm)]
    assert Counter(action.visitor.property_index for action in leads) == {0: 30, 1: 30, 2: 30}
    times = [action.at_seconds for action in actions]
    assert times == sorted(times)
    assert max(times) < MAX_DURATION_SECONDS
    assert {ChatMessage, TourBooking, TourAttendance} <= {type(action.detail) for action in actions}


async def test_the_intake_accepts_every_event_and_recognises_a_repetition(
    pool: asyncpg.Pool,
) -> None:
    world = await make_world(pool, properties=2)
    properties = [SimulatedProperty(property_id, ZONE) for property_id in world.properties]
    for property_id in world.properties:
        configured = WidgetConfigured(property_id=property_id, tour_capacity=50)
        await world.append(world.new(configured, property_id=property_id))
    builder = RecordBuilder(properties, START)
    events = [event for action in generate_actions(3, 60, 2) for event in builder.build(action)]
    headers = (("content-type", STRUCTURED.encode()),)
    # Enough time for each batch: on a slow machine, records would wait for their turn.
    admission = Admission(pool, IntakeSettings(batch_seconds=60), Clock())
    for status in (IntakeStatus.ACCEPTED, IntakeStatus.DUPLICATE):
        for start in range(0, len(events), 300):
            part = [raw_record(event, headers) for event in events[start : start + 300]]
            refused = [
                (orjson.loads(record.value or b"")["type"], outcome)
                for record, outcome in zip(part, await admission.admit(part), strict=True)
                if outcome.status is not status
            ]
            assert refused == []
    await world.project()
    assert await read_parked_reasons(pool) == []
    assert await world.count("leads") == 60
    assert await world.count("tours WHERE status IN ('completed', 'no_show')") > 10


@pytest.mark.stack
async def test_the_actions_are_published_to_the_intake_topic(kafka_settings: Settings) -> None:
    topic = Topics.of(kafka_settings.topic_prefix).intake
    plan = SimulationPlan(
        seed=1, leads=10, rate=0, through="kafka", start=START,
        properties=[SimulatedProperty(uuid4(), ZONE)],
        bootstrap_servers=kafka_settings.kafka_bootstrap_servers, topic=topic,
    )  # fmt: skip
    await create_topic(plan.bootstrap_servers, topic, partitions=8, replicas=1)
    result = await simulate(plan)
    assert result.actions < result.events
    records = await read_all(kafka_settings, topic, result.events)
    assert len({orjson.loads(record.value)["id"] for record in records}) == result.events


@pytest.mark.stack
@pytest.mark.parametrize("is_crash", [False, True], ids=["restart", "crash"])
async def test_a_simulation_survives_a_restart_of_the_broker(
    run_directory: Path, is_crash: bool
) -> None:
    broker = make_broker(run_directory / f"broker-{uuid4().hex[:8]}")
    broker.start()
    topic = f"t{uuid4().hex[:8]}.intake"
    address = broker.bootstrap_servers
    make_topic = partial(create_topic, address, topic, partitions=8, replicas=1)
    restarts: list[int] = []

    def restart_once(_action: Action) -> None:
        if not restarts:
            restarts.append(1)
            broker.restart(crash=is_crash)

    try:
        await make_topic()
        plan = SimulationPlan(
            seed=1, leads=10, rate=0, through="kafka", start=START,
            properties=[SimulatedProperty(uuid4(), ZONE)],
            bootstrap_servers=address, topic=topic, create_topic=make_topic,
        )  # fmt: skip
        result = await simulate(plan, restart_once)
        assert restarts
        assert result.actions == sum(1 for _ in generate_actions(1, 10, 1))
    finally:
        broker.stop()
