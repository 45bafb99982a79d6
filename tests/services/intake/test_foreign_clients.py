"""Foreign clients at both ends of the core, on Apache Kafka: confluent-kafka and kcat."""

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import confluent_kafka
import orjson
import pytest

from events.bus.topics import Topics
from services.intake.envelope import STRUCTURED
from services.intake.publish import structured
from services.relay.relay import Relay
from services.runtime.settings import Settings
from tests.conftest import until
from tests.services.intake.dead_letters import binary_headers, opened
from tests.services.intake.processes import running_intake
from tests.world import World, make_world

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.stack,
    pytest.mark.skipif(
        os.environ.get("CRM_TEST_BROKER") != "kafka"
        and not os.environ.get("KAFKA_BOOTSTRAP_SERVERS"),
        reason="the embedded broker does not speak with these clients: make test-kafka",
    ),
]
KCAT = shutil.which("kcat")
kcat_there = pytest.mark.skipif(KCAT is None, reason="kcat is not installed: apt install kcat")


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


@asynccontextmanager
async def core(settings: Settings) -> AsyncIterator[Topics]:
    """Intake and relay, for the length of a block."""
    stop = asyncio.Event()
    relay = asyncio.create_task(Relay(settings).run(stop))
    try:
        async with running_intake(settings):
            yield Topics.of(settings.topic_prefix)
    finally:
        stop.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(relay, 20)


async def known_lead(world: World) -> UUID:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    return lead


async def taken_in(world: World, count: int) -> None:
    async def there() -> bool:
        return await world.count("crm_events WHERE event_type = 'engagement.recorded'") == count

    await until(there)


def produce(settings: Settings, topic: str, records: list[tuple[bytes | None, Any]]) -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": settings.kafka_bootstrap_servers})
    for value, headers in records:
        producer.produce(topic, value=value, headers=headers)
    assert producer.flush(30) == 0


def consume(settings: Settings, topic: str, wanted: str, count: int) -> list[Any]:
    """The first records of this type, by a consumer group."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "group.id": f"foreign-{uuid4()}", "auto.offset.reset": "earliest",
        }
    )  # fmt: skip
    consumer.subscribe([topic])
    found: list[Any] = []
    try:
        for _ in range(600):
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                if orjson.loads(message.value())["type"] == wanted:
                    found.append(message)
                if len(found) == count:
                    break
    finally:
        consumer.close()
    return found


async def test_confluent_kafka_produces_to_the_intake_and_reads_the_events(
    world: World, kafka_settings: Settings
) -> None:
    lead, home = await known_lead(world), world.properties[0]
    name = "engagement.recorded"
    records: list[tuple[bytes | None, Any]] = [
        (orjson.dumps(opened(lead)), list(binary_headers(name, home))),
        (
            structured(name, opened(lead), ce_id="s", source="/c", property_id=home),
            [("content-type", STRUCTURED.encode())],
        ),
        (orjson.dumps(opened(lead)), [*binary_headers(name, home), ("trace", None)]),
        (None, None),
        (b"\xff\x00", [("ce_id", b"\xff"), ("null", None)]),
    ]
    async with core(kafka_settings) as topics:
        await asyncio.to_thread(produce, kafka_settings, topics.intake, records)
        await taken_in(world, 3)
        read = await asyncio.to_thread(consume, kafka_settings, topics.events, name, 3)

        async def refused() -> bool:
            return await world.count("crm.dead_letters WHERE copied_at IS NOT NULL") == 2

        await until(refused)
    assert len(read) == 3
    for message in read:
        assert message.headers() == [("content-type", STRUCTURED.encode())]
        said = orjson.loads(message.value())
        assert said["specversion"] == "1.0"
        assert said["propertyid"] == message.key().decode() == str(home)
        assert int(said["position"]) > int(said["previous"])
        assert said["data"]["lead_id"] == str(lead)


@kcat_there
async def test_kcat_produces_to_the_intake_and_reads_the_events(
    world: World, kafka_settings: Settings
) -> None:
    lead, home = await known_lead(world), world.properties[0]
    name = "engagement.recorded"
    event = structured(name, opened(lead), ce_id="k", source="/kcat", property_id=home)
    headers = binary_headers(name, home)
    options = [part for name, value in headers for part in ("-H", f"{name}={value.decode()}")]  # type: ignore[union-attr]
    async with core(kafka_settings) as topics:
        await kcat(kafka_settings, "-P", "-t", topics.intake, sent=event)
        await kcat(
            kafka_settings, "-P", "-t", topics.intake, *options, sent=orjson.dumps(opened(lead))
        )
        await taken_in(world, 2)
        await asyncio.to_thread(consume, kafka_settings, topics.events, name, 2)
        read = await kcat(
            kafka_settings, "-C", "-t", topics.events, "-o", "beginning", "-e", "-q",
            "-f", "%h %s\n",
        )  # fmt: skip
    lines = [line.split(b" ", 1) for line in read.splitlines()]
    assert {headers for headers, _ in lines} == {b"content-type=" + STRUCTURED.encode()}
    told = [said for _, value in lines if (said := orjson.loads(value))["type"] == name]
    assert len(told) == 2
    assert all(int(said["position"]) > int(said["previous"]) for said in told)
    assert all(said["data"]["lead_id"] == str(lead) for said in told)


@kcat_there
async def test_a_header_name_that_is_no_text_stops_nobody(
    world: World, kafka_settings: Settings
) -> None:
    lead, home = await known_lead(world), world.properties[0]
    good = structured(
        "engagement.recorded", opened(lead), ce_id="g", source="/kcat", property_id=home
    )
    async with core(kafka_settings) as topics:
        await kcat(kafka_settings, "-P", "-p", "0", "-t", topics.intake, "-H", b"\xff=1", sent=b"x")
        await kcat(kafka_settings, "-P", "-p", "0", "-t", topics.intake, sent=good)
        await taken_in(world, 1)
        assert await world.count("crm.dead_letters") == 1


async def kcat(settings: Settings, *arguments: str | bytes, sent: bytes = b"") -> bytes:
    command = [KCAT or "kcat", "-b", settings.kafka_bootstrap_servers, *arguments]
    done = await asyncio.to_thread(
        subprocess.run, command, input=sent, capture_output=True, timeout=60, check=True
    )
    return done.stdout
