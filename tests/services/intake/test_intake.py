"""The intake process, on a real broker and a real database."""

import asyncio
from itertools import islice
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from events.bus.publish import create_topic
from events.bus.topics import Topics
from services.intake import admission
from services.local_stack.drain import drained
from services.runtime.settings import Settings
from tests.conftest import until
from tests.services.intake.bad_values import one_of_each, raw_records
from tests.services.intake.dead_letters import binary_headers, opened
from tests.services.intake.processes import Raw, read_all, running_intake, send
from tests.world import World, make_world

pytestmark = pytest.mark.stack


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


async def known_lead(world: World) -> UUID:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    return lead


def engagement(world: World, lead: UUID, ce_id: str | None = None, **more: object) -> Raw:
    data = orjson.dumps(opened(lead, **more))
    headers = binary_headers("engagement.recorded", world.properties[0], ce_id=ce_id)
    return data, list(headers)


async def test_bad_records_by_the_thousand_are_all_accounted_for(
    world: World, kafka_settings: Settings
) -> None:
    lead = await known_lead(world)
    before = await world.count("crm_events")
    records = list(islice(raw_records(11, world.properties[0], lead), 3_000))
    accepted = dead = waiting = 0
    async with running_intake(kafka_settings):
        sent = await send(kafka_settings, records)
        topic = Topics.of(kafka_settings.topic_prefix).intake
        assert not await drained(kafka_settings.kafka_bootstrap_servers, topic, topic, 60)
        accepted = await world.count("crm_events") - before
        dead = await world.count("crm.dead_letters")
        waiting = await world.count("crm.intake_waiting")

        async def copied() -> bool:
            return not await world.count("crm.dead_letters WHERE copied_at IS NULL")

        await until(copied)
    duplicates = sent - accepted - dead - waiting
    said = [dict(headers).get("ce_id") or b"" for _, headers in records]
    right = [ce_id for ce_id in said if ce_id.startswith(b"right-")]
    assert duplicates == len(right) - len(set(right))
    topics = Topics.of(kafka_settings.topic_prefix)
    copies = await read_all(kafka_settings, topics.dead_letters, dead)
    assert all(dict(copy.headers)["crm-reason"] for copy in copies)


async def test_each_kind_of_bad_input_has_its_reason_and_stops_nobody(
    world: World, kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A right record stands after each of them; both counts must come out."""
    monkeypatch.setenv("CRM_INTAKE_WAIT_SECONDS", "0")
    lead = await known_lead(world)
    wanted = one_of_each(world.properties[0], lead)
    records = [raw for _, bad in wanted.values() for raw in (bad, engagement(world, lead))]
    topics = Topics.of(kafka_settings.topic_prefix)
    async with running_intake(kafka_settings):
        assert await send(kafka_settings, records, key=b"one partition") == 2 * len(wanted)
        servers = kafka_settings.kafka_bootstrap_servers
        assert not await drained(servers, topics.intake, topics.intake, 60)

        async def copied() -> bool:
            return not await world.count("crm.dead_letters WHERE copied_at IS NULL")

        await until(copied)
    assert await world.count("crm_events WHERE event_type = 'engagement.recorded'") == len(wanted)
    assert await world.count("crm.intake_waiting") == 0
    rows = await world.pool.fetch("SELECT * FROM crm.dead_letters ORDER BY kafka_offset")
    found = dict(zip(wanted, (row["reason"] for row in rows), strict=True))
    assert found == {name: reason for name, (reason, _) in wanted.items()}
    assert [row["value"] for row in rows] == [value for _, (value, _) in wanted.values()]
    assert all(row["detail"] for row in rows)
    copies = await read_all(kafka_settings, topics.dead_letters, len(wanted))
    assert sorted(dict(copy.headers)["crm-reason"].decode() for copy in copies) == sorted(
        found.values()
    )


@pytest.mark.parametrize("protected", [True, False])
async def test_the_same_event_a_hundred_times_from_ten_producers_is_one(
    world: World, kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    """Without protection: an id that does not derive from what the producer calls its event."""
    if not protected:
        monkeypatch.setattr(admission, "sent_event_id", lambda *_: uuid4())
    lead = await known_lead(world)
    said = engagement(world, lead, "same", engagement_id=str(uuid4()))
    async with running_intake(kafka_settings):
        async with asyncio.TaskGroup() as producers:
            for number in range(10):
                producers.create_task(send(kafka_settings, [said] * 10, key=str(number).encode()))
        topic = Topics.of(kafka_settings.topic_prefix).intake
        assert not await drained(kafka_settings.kafka_bootstrap_servers, topic, topic, 30)
    taken_in = await world.count("crm_events WHERE event_type = 'engagement.recorded'")
    assert taken_in == (1 if protected else 100)
    assert await world.count("crm.dead_letters") == 0


async def test_two_intakes_share_the_work_and_take_in_everything_once(
    world: World, kafka_settings: Settings
) -> None:
    lead = await known_lead(world)
    records = [engagement(world, lead, str(n)) for n in range(500)]
    async with running_intake(kafka_settings), running_intake(kafka_settings):
        async with asyncio.TaskGroup() as producers:
            for _ in range(3):
                producers.create_task(send(kafka_settings, records))
        topic = Topics.of(kafka_settings.topic_prefix).intake
        assert not await drained(kafka_settings.kafka_bootstrap_servers, topic, topic, 60)
    assert await world.count("crm_events WHERE event_type = 'engagement.recorded'") == 500


async def test_what_was_sent_while_no_intake_ran_is_taken_in_later(
    world: World, kafka_settings: Settings
) -> None:
    lead = await known_lead(world)
    servers = kafka_settings.kafka_bootstrap_servers
    topic = Topics.of(kafka_settings.topic_prefix).intake
    await create_topic(servers, topic, partitions=8, replicas=1)
    await send(kafka_settings, [engagement(world, lead) for _ in range(20)])

    async def there() -> bool:
        return await world.count("crm_events WHERE event_type = 'engagement.recorded'") == 20

    async with running_intake(kafka_settings):
        await until(there)


async def test_what_waits_is_taken_in_when_its_lead_appears(
    world: World, kafka_settings: Settings
) -> None:
    lead = uuid4()

    async def waits() -> bool:
        return await world.count("crm.intake_waiting") == 1

    async def there() -> bool:
        return await world.count("crm_events WHERE event_type = 'engagement.recorded'") == 1

    async with running_intake(kafka_settings):
        await send(kafka_settings, [engagement(world, lead)])
        await until(waits)
        await world.append(world.new(world.captured(lead)))
        await until(there)


async def test_what_producers_compress_is_taken_in(world: World, kafka_settings: Settings) -> None:
    lead = await known_lead(world)

    async def there() -> bool:
        return await world.count("crm_events WHERE event_type = 'engagement.recorded'") == 12

    async with running_intake(kafka_settings):
        for codec in ("gzip", "snappy", "lz4", "zstd"):
            records = [engagement(world, lead) for _ in range(3)]
            await send(kafka_settings, records, compression_type=codec)
        await until(there)
