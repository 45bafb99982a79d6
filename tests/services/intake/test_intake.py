"""The intake process, on a real broker and a real database."""

import asyncio
from itertools import islice
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from events.bus.topic_creation import create_topic
from events.bus.topics import Topics
from services.application import dead_letters
from services.application.dead_letters import DeadLetterFilter
from services.intake import intake, scoping
from services.local_stack.drain import wait_until_drained
from services.runtime import table_fit
from services.runtime.clock import Clock
from services.runtime.health import collect_problems
from services.runtime.process import Checks, survive_faults
from services.runtime.settings import Settings
from tests.conftest import until
from tests.services.intake.bad_values import raw_records, wrong_records_by_kind
from tests.services.intake.processes import Raw, read_all, run_intake, send
from tests.services.intake.producer_records import binary_headers, engagement_data
from tests.world import World, make_world

pytestmark = pytest.mark.stack


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


async def capture_lead(world: World) -> UUID:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    return lead


def engagement(world: World, lead: UUID, ce_id: str | None = None, **more: object) -> Raw:
    data = orjson.dumps(engagement_data(lead, **more))
    headers = binary_headers("engagement.recorded", world.properties[0], ce_id=ce_id)
    return data, list(headers)


async def test_every_one_of_thousands_of_wrong_records_has_an_outcome(
    world: World, kafka_settings: Settings
) -> None:
    lead = await capture_lead(world)
    before = await world.count("crm_events")
    records = list(islice(raw_records(11, world.properties[0], lead), 3_000))
    accepted = dead = waiting = 0
    async with run_intake(kafka_settings):
        sent = await send(kafka_settings, records)
        topic = Topics.of(kafka_settings.topic_prefix).intake
        assert not await wait_until_drained(
            kafka_settings.kafka_bootstrap_servers, topic, topic, 60
        )
        accepted = await world.count("crm_events") - before
        dead = await world.count("crm.dead_letters")
        waiting = await world.count("crm.intake_waiting")

        async def is_copied() -> bool:
            return not await world.count("crm.dead_letters WHERE copied_at IS NULL")

        await until(is_copied)
    duplicates = sent - accepted - dead - waiting
    ce_ids = [dict(headers).get("ce_id") or b"" for _, headers in records]
    correct = [ce_id for ce_id in ce_ids if ce_id.startswith(b"correct-")]
    assert duplicates == len(correct) - len(set(correct))
    topics = Topics.of(kafka_settings.topic_prefix)
    copies = await read_all(kafka_settings, topics.dead_letters, dead)
    assert all(dict(copy.headers)["crm-reason"] for copy in copies)


async def test_each_kind_of_wrong_input_has_its_reason_and_stops_no_other_record(
    world: World, kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A correct record follows each wrong one, and must be appended."""
    monkeypatch.setenv("CRM_INTAKE_WAIT_SECONDS", "0")
    lead = await capture_lead(world)
    kinds = wrong_records_by_kind(world.properties[0], lead)
    records = [raw for _, wrong in kinds.values() for raw in (wrong, engagement(world, lead))]
    topics = Topics.of(kafka_settings.topic_prefix)
    async with run_intake(kafka_settings):
        assert await send(kafka_settings, records, key=b"one partition") == 2 * len(kinds)
        servers = kafka_settings.kafka_bootstrap_servers
        assert not await wait_until_drained(servers, topics.intake, topics.intake, 60)

        async def is_copied() -> bool:
            return not await world.count("crm.dead_letters WHERE copied_at IS NULL")

        await until(is_copied)
    assert await world.count("crm_events WHERE event_type = 'engagement.recorded'") == len(kinds)
    assert await world.count("crm.intake_waiting") == 0
    async with world.pool.acquire() as conn:
        dead = await dead_letters.find(conn, DeadLetterFilter(), len(kinds))
    dead.sort(key=lambda item: item.columns["kafka_offset"])
    reasons = dict(zip(kinds, (item.columns["reason"] for item in dead), strict=True))
    assert reasons == {name: reason for name, (reason, _) in kinds.items()}
    values = [item.record.value for item in dead if item.record is not None]
    assert values == [value for _, (value, _) in kinds.values()]
    assert all(item.detail for item in dead)
    copies = await read_all(kafka_settings, topics.dead_letters, len(kinds))
    assert sorted(dict(copy.headers)["crm-reason"].decode() for copy in copies) == sorted(
        reasons.values()
    )


@pytest.mark.parametrize("protected", [True, False])
async def test_the_same_event_sent_a_hundred_times_by_ten_producers_is_appended_once(
    world: World, kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    """The protection: the event id is derived from the id that the producer chose."""
    if not protected:
        monkeypatch.setattr(scoping, "producer_event_id", lambda *_: uuid4())
    lead = await capture_lead(world)
    record = engagement(world, lead, "same", engagement_id=str(uuid4()))
    async with run_intake(kafka_settings):
        async with asyncio.TaskGroup() as producers:
            for number in range(10):
                producers.create_task(send(kafka_settings, [record] * 10, key=str(number).encode()))
        topic = Topics.of(kafka_settings.topic_prefix).intake
        assert not await wait_until_drained(
            kafka_settings.kafka_bootstrap_servers, topic, topic, 30
        )
    appended = await world.count("crm_events WHERE event_type = 'engagement.recorded'")
    assert appended == (1 if protected else 100)
    assert await world.count("crm.dead_letters") == 0


async def test_two_intakes_share_the_records_and_append_each_once(
    world: World, kafka_settings: Settings
) -> None:
    lead = await capture_lead(world)
    records = [engagement(world, lead, str(n)) for n in range(500)]
    async with run_intake(kafka_settings), run_intake(kafka_settings):
        async with asyncio.TaskGroup() as producers:
            for _ in range(3):
                producers.create_task(send(kafka_settings, records))
        topic = Topics.of(kafka_settings.topic_prefix).intake
        assert not await wait_until_drained(
            kafka_settings.kafka_bootstrap_servers, topic, topic, 60
        )
    assert await world.count("crm_events WHERE event_type = 'engagement.recorded'") == 500


async def test_records_sent_while_no_intake_ran_are_appended_later(
    world: World, kafka_settings: Settings
) -> None:
    lead = await capture_lead(world)
    servers = kafka_settings.kafka_bootstrap_servers
    topic = Topics.of(kafka_settings.topic_prefix).intake
    await create_topic(servers, topic, partitions=8, replicas=1)
    await send(kafka_settings, [engagement(world, lead) for _ in range(20)])

    async def is_appended() -> bool:
        return await world.count("crm_events WHERE event_type = 'engagement.recorded'") == 20

    async with run_intake(kafka_settings):
        await until(is_appended)


async def test_records_stay_unread_while_the_tables_of_the_host_cannot_hold_their_rows(
    world: World, kafka_settings: Settings, owner_pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(table_fit, "FIT_SECONDS", 0.0)
    lead = await capture_lead(world)
    checks, stop = Checks(), asyncio.Event()
    running = asyncio.create_task(
        survive_faults(intake.work, kafka_settings, stop, checks, Clock())
    )
    appended = "crm_events WHERE event_type = 'engagement.recorded'"

    async def is_ready() -> bool:
        return "intake" in checks and not await collect_problems(checks)

    async def find_statement() -> bool:
        statement = "ALTER TABLE public.leads ALTER COLUMN company DROP NOT NULL"
        return statement in (await collect_problems(checks)).get("operator", "")

    async def is_appended() -> bool:
        return await world.count(appended) == 3

    try:
        await until(is_ready)
        await owner_pool.execute("ALTER TABLE leads ADD COLUMN company text DEFAULT ''")
        await owner_pool.execute(
            "ALTER TABLE leads ALTER COLUMN company SET NOT NULL, ALTER COLUMN company DROP DEFAULT"
        )
        await send(kafka_settings, [engagement(world, lead) for _ in range(3)])
        await until(find_statement)
        assert await world.count(appended) == 0
        assert await world.count("crm.dead_letters") == 0
        await owner_pool.execute("ALTER TABLE leads ALTER COLUMN company DROP NOT NULL")
        await until(is_appended)
    finally:
        stop.set()
        await asyncio.wait_for(running, 30)


async def test_a_pending_record_is_appended_when_its_lead_appears(
    world: World, kafka_settings: Settings
) -> None:
    lead = uuid4()

    async def is_pending() -> bool:
        return await world.count("crm.intake_waiting") == 1

    async def is_appended() -> bool:
        return await world.count("crm_events WHERE event_type = 'engagement.recorded'") == 1

    async with run_intake(kafka_settings):
        await send(kafka_settings, [engagement(world, lead)])
        await until(is_pending)
        await world.append(world.new(world.captured(lead)))
        await until(is_appended)


async def test_compressed_records_are_appended(world: World, kafka_settings: Settings) -> None:
    lead = await capture_lead(world)

    async def is_appended() -> bool:
        return await world.count("crm_events WHERE event_type = 'engagement.recorded'") == 12

    async with run_intake(kafka_settings):
        for codec in ("gzip", "snappy", "lz4", "zstd"):
            records = [engagement(world, lead) for _ in range(3)]
            await send(kafka_settings, records, compression_type=codec)
        await until(is_appended)
