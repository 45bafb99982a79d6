"""Topics that are deleted while processes run: they are created again, and nothing is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from uuid import uuid4

import asyncpg
import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from events.bus.topic_creation import partitions_of
from events.bus.topics import Topics
from services.intake import intake
from services.projector import projector
from services.relay import relay
from services.runtime import topics as keeping
from services.runtime.clock import Clock
from services.runtime.health import collect_problems
from services.runtime.process import Checks, ProcessFunction
from services.runtime.settings import Settings
from services.runtime.topics import TopicKeeper
from tests.conftest import until
from tests.races.processes import (
    append_chats,
    assert_live_equals_rebuilt,
    is_bus_complete,
    load_records,
    wait_until_level,
)
from tests.services.intake.processes import Raw, send
from tests.services.intake.producer_records import binary_headers
from tests.world import World, make_world

pytestmark = pytest.mark.stack

PROCESSES: dict[str, ProcessFunction] = {
    "relay": relay.work,
    "projector": projector.work,
    "intake": intake.work,
}


@asynccontextmanager
async def run_checked(settings: Settings) -> AsyncIterator[dict[str, Checks]]:
    """Run the processes during a block, and yield their checks when all are ready."""
    stop = asyncio.Event()
    checks = {name: Checks() for name in PROCESSES}
    tasks = [
        asyncio.ensure_future(work(settings, stop, checks[name], Clock()))
        for name, work in PROCESSES.items()
    ]

    async def are_ready() -> bool:
        for task in tasks:
            if task.done():
                task.result()
        return not any([await collect_problems(of_process) for of_process in checks.values()])

    try:
        await until(are_ready)
        yield checks
        await until(are_ready)
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 60)


async def delete_topic(settings: Settings, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        await admin.delete_topics([topic])
    finally:
        await admin.close()


async def send_lead(settings: Settings, world: World) -> None:
    """Send a lead that the intake accepts, and a record that becomes a dead letter."""
    data = orjson.dumps({"lead_id": str(uuid4()), "source": "Zillow", "first_name": "Grace"})
    headers = list(binary_headers("lead.captured", world.properties[0]))
    records: list[Raw] = [(data, headers), (b"garbage", [])]
    await send(settings, records, key=str(world.properties[0]).encode())


@pytest.mark.parametrize("name", Topics._fields)
async def test_a_deleted_topic_is_created_again_and_nothing_is_lost(
    kafka_settings: Settings, pool: asyncpg.Pool, owner_pool: asyncpg.Pool, name: str
) -> None:
    topic = getattr(Topics.of(kafka_settings.topic_prefix), name)
    world = await make_world(pool)
    counts = {
        "leads": 2,
        "crm.dead_letters": 1,
        "crm.dead_letters WHERE copied_at IS NOT NULL": 1,
        "crm.intake_outcomes WHERE copied_at IS NOT NULL": 2,
    }

    async def write(number: int) -> None:
        await send_lead(kafka_settings, world)
        await append_chats(world, 1)
        for table, count in counts.items():
            await until(partial(has, world, table, number * count))

    async with run_checked(kafka_settings):
        await write(1)
        await delete_topic(kafka_settings, topic)
        await until(lambda: exists(kafka_settings, topic))
        await write(2)
        await wait_until_level(pool)
        await until(lambda: is_bus_complete(kafka_settings, pool))
    lowest = {"intake": 2, "dead_letters": 2, "outcomes": 4}
    if name in lowest:
        records, _ = await load_records(kafka_settings, topic)
        assert len(records) >= lowest[name]
    await assert_live_equals_rebuilt(owner_pool)


async def has(world: World, table: str, count: int) -> bool:
    return await world.count(table) == count


async def is_gone(settings: Settings, topic: str) -> bool:
    return not await exists(settings, topic)


async def exists(settings: Settings, topic: str) -> bool:
    return await partitions_of(settings.kafka_bootstrap_servers, topic) > 0


async def test_every_topic_is_kept_by_a_process_that_is_not_ready_without_it(
    kafka_settings: Settings, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No process creates a topic again here, so each one that needs it reports it."""
    monkeypatch.setattr(keeping, "LOOK_SECONDS", 3_600.0)
    await make_world(pool)
    reported: dict[str, set[str]] = {}
    stop = asyncio.Event()
    checks = {name: Checks() for name in ("projector", "intake")}
    tasks = [
        asyncio.ensure_future(PROCESSES[name](kafka_settings, stop, checks[name], Clock()))
        for name in checks
    ]

    async def are_ready() -> bool:
        return not any([await collect_problems(found) for found in checks.values()])

    try:
        await until(are_ready)  # a client that starts waits for a missing topic, and then fails
        for name, topic in Topics.of(kafka_settings.topic_prefix)._asdict().items():
            await delete_topic(kafka_settings, topic)
            # Apache Kafka lists a deleted topic for a moment.
            await until(partial(is_gone, kafka_settings, topic))
            reported[name] = {
                process
                for process, found in checks.items()
                if topic in (await found["topics"]() or "")
            }
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 60)
    assert reported == {
        "events": {"projector"}, "intake": {"intake"}, "dead_letters": {"intake"},
        "outcomes": {"intake"},
    }  # fmt: skip


async def test_a_keeper_reports_a_broker_that_does_not_answer(settings: Settings) -> None:
    text = await TopicKeeper(settings, ["x.events"]).check()
    assert text is not None
    assert text.startswith("the broker does not answer")


async def test_what_follows_a_creation_is_tried_again_until_it_succeeds(
    kafka_settings: Settings,
) -> None:
    topic, calls = f"{kafka_settings.topic_prefix}.events", list[str]()

    async def fail_once(created: str) -> None:
        calls.append(created)
        if len(calls) == 1:
            raise ConnectionError("the database is away")

    keeper = TopicKeeper(kafka_settings, [topic], fail_once)
    with pytest.raises(ConnectionError):
        await keeper.create_missing()
    for _ in range(2):
        await keeper.create_missing()
    assert calls == [topic, topic]
    assert await keeper.check() is None
    await keeper.stop()
