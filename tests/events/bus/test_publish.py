"""The publisher notices records that the broker acknowledged and does not have any more."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from events.bus.digest import RecordDigest
from events.bus.publish import LostRecords, Publisher
from events.bus.topic_creation import create_topic
from events.log import read, sequencer
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.processes import events_topic, recreate_topic
from tests.world import make_world

pytestmark = pytest.mark.stack
PARTITIONS = 4


@pytest.fixture
async def publisher(kafka_settings: Settings) -> AsyncIterator[Publisher]:
    """Provide a connected publisher for a topic of its own."""
    topic = events_topic(kafka_settings)
    await create_topic(kafka_settings.brokers, topic, partitions=PARTITIONS, replicas=1)
    connected = Publisher(kafka_settings.brokers, topic)
    await connected.start()
    yield connected
    await connected.stop()


async def publish_leads(publisher: Publisher, pool: asyncpg.Pool) -> int:
    """Append and publish some leads of a new property; return its partition."""
    world = await make_world(pool)
    async with pool.acquire() as conn:
        before = (await sequencer.read_log_state(conn)).position
    for _ in range(3):
        await world.append(world.new(world.captured(uuid4(), email=None)))
    await world.number()
    async with pool.acquire() as conn:
        state = await sequencer.read_log_state(conn)
        rows = await read.position_rows(conn, after=before, upto=state.position)
        digest = await RecordDigest.load(conn, publisher.topic, state.id)
    await publisher.publish(rows, digest, state.generation)
    return int(rows[-1]["shard"]) % publisher.partitions


async def read_loss(publisher: Publisher) -> dict[int, int] | None:
    """Return partition → its end, of the records that a check finds lost; None without a loss."""
    try:
        await publisher.check()
    except LostRecords as lost:
        return lost.ends
    return None


async def test_a_check_of_a_complete_topic_finds_no_loss(
    publisher: Publisher, pool: asyncpg.Pool
) -> None:
    await publish_leads(publisher, pool)
    assert publisher.ends
    assert await read_loss(publisher) is None


async def test_a_check_notices_a_topic_that_lost_its_records(
    publisher: Publisher, pool: asyncpg.Pool, kafka_settings: Settings
) -> None:
    await publish_leads(publisher, pool)
    used = set(publisher.ends)
    await recreate_topic(kafka_settings, PARTITIONS)
    lost = await until(lambda: read_loss(publisher))
    assert lost == dict.fromkeys(used, 0)


async def test_a_check_notices_one_lost_record(publisher: Publisher, pool: asyncpg.Pool) -> None:
    """The acknowledged end is one above the end that the broker has."""
    partition = await publish_leads(publisher, pool)
    end = (await publisher.broker_ends())[partition]
    publisher.ends[partition] = end
    assert await read_loss(publisher) is None
    publisher.ends[partition] = end + 1
    assert await read_loss(publisher) == {partition: end}


async def test_publishing_notices_an_offset_that_was_acknowledged_before(
    publisher: Publisher, pool: asyncpg.Pool
) -> None:
    partition = await publish_leads(publisher, pool)
    end = (await publisher.broker_ends())[partition]
    publisher.ends = dict.fromkeys(range(PARTITIONS), end + 1_000)
    with pytest.raises(LostRecords):
        await publish_leads(publisher, pool)
