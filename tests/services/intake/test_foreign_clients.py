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

from events.bus.digest import DIGEST_HEADER
from events.bus.topics import Topics
from events.trace_context import TRACEPARENT
from services.intake.publish import structured_event
from services.relay.relay import Relay
from services.runtime.cloud_events import STRUCTURED
from services.runtime.settings import Settings
from tests.conftest import until
from tests.services.intake.processes import run_intake
from tests.services.intake.producer_records import binary_headers, engagement_data
from tests.world import World, make_world

pytestmark = [
    pytest.mark.foreign_client,
    pytest.mark.kafka,
    pytest.mark.stack,
    pytest.mark.skipif(
        os.environ.get("CRM_TEST_BROKER") != "kafka"
        and not os.environ.get("KAFKA_BOOTSTRAP_SERVERS"),
        reason="the embedded broker does not support these clients: run make test-kafka",
    ),
]
KCAT = shutil.which("kcat")
needs_kcat = pytest.mark.skipif(KCAT is None, reason="kcat is not installed: apt install kcat")


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


@asynccontextmanager
async def run_core(settings: Settings) -> AsyncIterator[Topics]:
    """Run intake and relay during a block."""
    stop = asyncio.Event()
    relay = asyncio.create_task(Relay(settings).run(stop))
    try:
        async with run_intake(settings):
            yield Topics.of(settings.topic_prefix)
    finally:
        stop.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(relay, 20)


async def capture_lead(world: World) -> UUID:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    return lead


async def wait_until_appended(world: World, count: int) -> None:
    async def is_appended() -> bool:
        return await world.count("crm_events WHERE event_type = 'engagement.recorded'") == count

    await until(is_appended)


def produce(settings: Settings, topic: str, records: list[tuple[bytes | None, Any]]) -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": settings.kafka_bootstrap_servers})
    for value, headers in records:
        producer.produce(topic, value=value, headers=headers)
    assert producer.flush(30) == 0


def consume(settings: Settings, topic: str, event_type: str, count: int) -> list[Any]:
    """Return the first records of this type, read by a consumer group."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "group.id": f"foreign-{uuid4()}", "auto.offset.reset": "earliest",
        }
    )  # fmt: skip
    consumer.subscribe([topic])
    messages: list[Any] = []
    try:
        for _ in range(600):
            message = consumer.poll(0.1)
            if message is not None and message.error() is None:
                if orjson.loads(message.value())["type"] == event_type:
                    messages.append(message)
                if len(messages) == count:
                    break
    finally:
        consumer.close()
    return messages


async def test_confluent_kafka_produces_to_the_intake_and_reads_the_events(
    world: World, kafka_settings: Settings
) -> None:
    lead, property_id = await capture_lead(world), world.properties[0]
    name = "engagement.recorded"
    records: list[tuple[bytes | None, Any]] = [
        (orjson.dumps(engagement_data(lead)), list(binary_headers(name, property_id))),
        (
            structured_event(
                name, engagement_data(lead), ce_id="s", source="/c", property_id=property_id
            ),
            [("content-type", STRUCTURED.encode())],
        ),
        (
            orjson.dumps(engagement_data(lead)),
            [*binary_headers(name, property_id), ("trace", None)],
        ),
        (None, None),
        (b"\xff\x00", [("ce_id", b"\xff"), ("null", None)]),
    ]
    async with run_core(kafka_settings) as topics:
        await asyncio.to_thread(produce, kafka_settings, topics.intake, records)
        await wait_until_appended(world, 3)
        read = await asyncio.to_thread(consume, kafka_settings, topics.events, name, 3)

        async def is_rejected() -> bool:
            return await world.count("crm.dead_letters WHERE copied_at IS NOT NULL") == 2

        await until(is_rejected)
    assert len(read) == 3
    for message in read:
        content_type, *others = message.headers()
        assert content_type == ("content-type", STRUCTURED.encode())
        assert {header_name for header_name, _ in others} == {TRACEPARENT, DIGEST_HEADER}
        event = orjson.loads(message.value())
        assert event["specversion"] == "1.0"
        assert event["propertyid"] == message.key().decode() == str(property_id)
        assert int(event["position"]) > int(event["previous"])
        assert event["data"]["lead_id"] == str(lead)


@needs_kcat
async def test_kcat_produces_to_the_intake_and_reads_the_events(
    world: World, kafka_settings: Settings
) -> None:
    lead, property_id = await capture_lead(world), world.properties[0]
    name = "engagement.recorded"
    sent_event = structured_event(
        name, engagement_data(lead), ce_id="k", source="/kcat", property_id=property_id
    )
    headers = binary_headers(name, property_id)
    options = [part for name, value in headers for part in ("-H", f"{name}={value.decode()}")]  # type: ignore[union-attr]
    async with run_core(kafka_settings) as topics:
        await kcat(kafka_settings, "-P", "-t", topics.intake, sent=sent_event)
        await kcat(
            kafka_settings,
            "-P",
            "-t",
            topics.intake,
            *options,
            sent=orjson.dumps(engagement_data(lead)),
        )
        await wait_until_appended(world, 2)
        await asyncio.to_thread(consume, kafka_settings, topics.events, name, 2)
        read = await kcat(
            kafka_settings, "-C", "-t", topics.events, "-o", "beginning", "-e", "-q",
            "-f", "%h %s\n",
        )  # fmt: skip
    lines = [line.split(b" ", 1) for line in read.splitlines()]
    assert all(names.startswith(f"content-type={STRUCTURED},".encode()) for names, _ in lines)
    assert all(f",{DIGEST_HEADER}=".encode() in names for names, _ in lines)
    events = [event for _, value in lines if (event := orjson.loads(value))["type"] == name]
    assert len(events) == 2
    assert all(int(event["position"]) > int(event["previous"]) for event in events)
    assert all(event["data"]["lead_id"] == str(lead) for event in events)


@needs_kcat
async def test_a_header_name_that_is_not_utf8_does_not_stop_other_records(
    world: World, kafka_settings: Settings
) -> None:
    lead, property_id = await capture_lead(world), world.properties[0]
    good = structured_event(
        "engagement.recorded",
        engagement_data(lead),
        ce_id="g",
        source="/kcat",
        property_id=property_id,
    )
    async with run_core(kafka_settings) as topics:
        await kcat(kafka_settings, "-P", "-p", "0", "-t", topics.intake, "-H", b"\xff=1", sent=b"x")
        await kcat(kafka_settings, "-P", "-p", "0", "-t", topics.intake, sent=good)
        await wait_until_appended(world, 1)
        assert await world.count("crm.dead_letters") == 1


async def kcat(settings: Settings, *arguments: str | bytes, sent: bytes = b"") -> bytes:
    command = [KCAT or "kcat", "-b", settings.kafka_bootstrap_servers, *arguments]
    done = await asyncio.to_thread(
        subprocess.run, command, input=sent, capture_output=True, timeout=60, check=True
    )
    return done.stdout
