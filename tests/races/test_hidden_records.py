"""Records that a broker acknowledges and never shows: the relay publishes them again."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import asyncpg
import pytest
from aiokafka import ConsumerRecord
from aiokafka.conn import create_conn
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from events.bus.publish import LostRecords, Publisher
from events.bus.topic_creation import create_topic
from services.local_stack.broker import Broker
from services.relay import relay
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.processes import (
    append_chats,
    events_topic,
    is_bus_complete,
    load_records,
    run_processes,
)
from tests.world import make_world

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(
        "KAFKA_BOOTSTRAP_SERVERS" in os.environ or os.environ.get("CRM_TEST_BROKER") == "kafka",
        reason="this broker refuses records for a topic that it does not have",
    ),
]


@pytest.fixture
def broker(home: Path) -> Iterator[Broker]:
    server = Broker(home / "broker")
    server.start()
    yield server
    server.stop()


async def test_records_for_a_topic_that_the_broker_does_not_know_are_published_again(
    broker: Broker, settings: Settings, pool: asyncpg.Pool
) -> None:
    servers = {"kafka_bootstrap_servers": broker.bootstrap_servers}
    own_settings = settings.model_copy(update=servers)
    world = await make_world(pool, properties=6)
    async with run_processes(own_settings, relay.work):
        await append_chats(world, 2)
        await until(lambda: is_bus_complete(own_settings, pool))
    topic = events_topic(own_settings)
    records, partitions = await load_records(own_settings, topic)
    await asyncio.to_thread(broker.restart, crash=True)
    offsets = await produce_to_unknown_topic(broker.bootstrap_servers, topic, records)
    await create_topic(broker.bootstrap_servers, topic, partitions=partitions, replicas=1)
    publisher = Publisher(broker.bootstrap_servers, topic)
    await publisher.start()
    with pytest.raises(LostRecords):
        await publisher.require_shown(offsets)
    await publisher.stop()
    async with run_processes(own_settings, relay.work):
        await until(lambda: is_bus_complete(own_settings, pool))


async def produce_to_unknown_topic(
    bootstrap_servers: str, topic: str, records: Sequence[ConsumerRecord]
) -> dict[int, int]:
    """Send the first record of each partition, as a producer that knew the topic before does.

    Return partition → the acknowledged offset.
    """
    first = {record.partition: record for record in reversed(records)}
    batches = [(partition, _batch_of(record)) for partition, record in first.items()]
    host, port = bootstrap_servers.split(":")
    connection = await create_conn(host, int(port))
    try:
        response = await connection.send(ProduceRequest(None, -1, 5_000, [(topic, batches)]))
    finally:
        connection.close()
    [(_, partitions)] = response.topics
    assert [error for _, error, *_ in partitions] == [0] * len(first)
    return {partition: offset for partition, _, offset, *_ in partitions}


def _batch_of(record: ConsumerRecord) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1,
        base_sequence=-1, batch_size=1024 * 1024,
    )  # fmt: skip
    builder.append(
        0, timestamp=record.timestamp, key=record.key, value=record.value,
        headers=list(record.headers),
    )  # fmt: skip
    return bytes(builder.build())
