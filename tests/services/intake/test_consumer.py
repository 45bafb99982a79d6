"""The intake's consumer commits only what is durable, and ends when it cannot continue."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from events.bus.header_names import TolerantBatch
from events.bus.topic_creation import create_topic
from events.bus.topics import Topics
from services.application.raw_record import RawRecord
from services.intake import stall_check
from services.intake.consumer import AdmitRecords, IntakeConsumer
from services.local_stack import drain
from services.local_stack.drain import wait_until_drained
from services.runtime.settings import Settings
from tests.broker_offsets import report_offsets
from tests.conftest import until
from tests.services.intake.processes import Raw, read_all, send, send_to

pytestmark = pytest.mark.stack


@pytest.fixture
async def topic(kafka_settings: Settings) -> str:
    topic = Topics.of(kafka_settings.topic_prefix).intake
    servers = kafka_settings.kafka_bootstrap_servers
    await create_topic(servers, topic, partitions=1, replicas=1)
    return topic


def make_consumer(
    settings: Settings, topic: str, admit: AdmitRecords, *, patience: float
) -> IntakeConsumer:
    servers = settings.kafka_bootstrap_servers
    return IntakeConsumer(servers, topic, admit, batch_records=100, patience_seconds=patience)


async def load_committed(settings: Settings, topic: str) -> int | None:
    client = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers, group_id=topic,
        enable_auto_commit=False,
    )  # fmt: skip
    await client.start()
    try:
        offset: int | None = await client.committed(TopicPartition(topic, 0))
        return offset
    finally:
        await client.stop()


async def test_a_database_that_stays_unreachable_ends_the_consumer_without_a_commit(
    kafka_settings: Settings, topic: str
) -> None:
    async def fail(_records: Sequence[RawRecord]) -> None:
        raise ConnectionRefusedError("no database")

    await send(kafka_settings, [(b"1", []), (b"2", [])])
    consumer = make_consumer(kafka_settings, topic, fail, patience=0.5)
    await consumer.start()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.wait_for(consumer.failed, 30)
    await consumer.stop()
    assert not await load_committed(kafka_settings, topic)


async def test_a_batch_is_repeated_until_the_database_is_back(
    kafka_settings: Settings, topic: str
) -> None:
    attempts: list[list[bytes | None]] = []

    async def succeed_at_third_attempt(records: Sequence[RawRecord]) -> None:
        attempts.append([record.value for record in records])
        if len(attempts) < 3:
            raise ConnectionRefusedError("no database yet")

    await send(kafka_settings, [(b"1", []), (b"2", [])])
    consumer = make_consumer(kafka_settings, topic, succeed_at_third_attempt, patience=30)
    await consumer.start()
    await until(lambda: consumer.admitted)
    await consumer.stop()
    assert attempts[0] == attempts[1] == attempts[2]
    assert await load_committed(kafka_settings, topic) == consumer.admitted


async def test_a_stop_finishes_the_current_batch(kafka_settings: Settings, topic: str) -> None:
    began, finished = asyncio.Event(), asyncio.Event()
    release = asyncio.Event()

    async def slow(_records: Sequence[RawRecord]) -> None:
        began.set()
        await release.wait()
        finished.set()

    await send(kafka_settings, [(b"1", [])])
    consumer = make_consumer(kafka_settings, topic, slow, patience=30)
    await consumer.start()
    await asyncio.wait_for(began.wait(), 30)
    stopping = asyncio.create_task(consumer.stop())
    release.set()
    await stopping
    assert finished.is_set()
    assert await load_committed(kafka_settings, topic) == 1


async def test_wrong_start_and_end_offsets_of_a_broker_lose_no_record(
    kafka_settings: Settings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that starts at the reported earliest offset never reads the first batch."""
    records_read: list[bytes | None] = []

    async def admit(records: Sequence[RawRecord]) -> None:
        records_read.extend(record.value for record in records)

    sent = [str(n).encode() for n in range(30)]
    for start in (0, 10, 20):
        await send(kafka_settings, [(value, []) for value in sent[start : start + 10]])
    report_offsets(monkeypatch, start=10, end=1)
    assert [record.value for record in await read_all(kafka_settings, topic, 20)] == sent[10:]
    servers = kafka_settings.kafka_bootstrap_servers
    assert (
        await wait_until_drained(servers, topic, topic, 0) == 20
    )  # it counts from the reported start
    consumer = make_consumer(kafka_settings, topic, admit, patience=30)
    await consumer.start()
    assert await wait_until_drained(servers, topic, topic, 30) == 0
    assert records_read == sent
    await consumer.stop()


async def test_the_number_of_unread_records_is_requested_again_after_a_timeout(
    kafka_settings: Settings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is requested at least until there is an answer, also without any time left."""
    original, requests = drain._read_ends, 0

    async def late(consumer: Any, read: dict[TopicPartition, int]) -> dict[TopicPartition, int]:
        nonlocal requests
        requests += 1
        if requests == 1:
            raise TimeoutError
        return await original(consumer, read)

    monkeypatch.setattr(drain, "_read_ends", late)
    await send(kafka_settings, [(b"1", []), (b"2", [])])
    assert await wait_until_drained(kafka_settings.kafka_bootstrap_servers, topic, topic, 0) == 2


async def check_all_records_are_read(
    settings: Settings, first: list[Raw], second: list[Raw]
) -> None:
    """Send a batch to each of two partitions, and check that every record is read, in order."""
    records_read: dict[int, list[Raw]] = {0: [], 1: []}

    async def admit(records: Sequence[RawRecord]) -> None:
        for record in records:
            records_read[record.partition].append((record.value, list(record.headers)))

    topic = Topics.of(settings.topic_prefix).intake
    servers = settings.kafka_bootstrap_servers
    await create_topic(servers, topic, partitions=2, replicas=1)
    await send_to(settings, 0, first)
    await send_to(settings, 1, second)
    consumer = make_consumer(settings, topic, admit, patience=30)
    await consumer.start()
    assert await wait_until_drained(servers, topic, topic, 30) == 0
    await consumer.stop()
    assert records_read == {0: first, 1: [(value, _as_read(headers)) for value, headers in second]}


def _as_read(headers: Sequence[tuple[str, bytes | None]]) -> list[tuple[str, bytes | None]]:
    bad = b"unread\xffble"
    return [
        ("??????????" if name == "unreadable" else name, bad if value == b"unreadable" else value)
        for name, value in headers
    ]


SENT: list[Raw] = [(str(n).encode(), [("n", b"1")]) for n in range(40)]


async def test_a_header_name_that_is_not_utf8_loses_no_record(kafka_settings: Settings) -> None:
    """The same bytes as a header value, and later records of the batch, are unchanged."""
    unusual: list[Raw] = [
        (b"x", [("a", b"unreadable"), ("unreadable", b"unreadable"), ("unreadable", None)]),
        (b"", []),
    ]
    await check_all_records_are_read(kafka_settings, SENT, [*SENT, *unusual, *SENT])


async def test_an_unreadable_partition_loses_no_record_of_the_others(
    kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client raises after it read records of other partitions and advanced there."""
    validations = 0
    original = TolerantBatch.validate_crc

    def validate_crc(batch: TolerantBatch) -> bool:
        nonlocal validations
        validations += 1
        return validations != 2 and bool(original(batch))

    monkeypatch.setattr(TolerantBatch, "validate_crc", validate_crc)
    await check_all_records_are_read(kafka_settings, SENT, SENT)
    assert validations == 3


async def test_a_stalled_partition_is_noticed_while_others_are_read(
    kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def admit(_records: Sequence[RawRecord]) -> None: ...

    monkeypatch.setattr(stall_check, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(stall_check, "STALLED_SECONDS", 1.0)
    topic = Topics.of(kafka_settings.topic_prefix).intake
    await create_topic(kafka_settings.kafka_bootstrap_servers, topic, partitions=2, replicas=1)
    consumer = make_consumer(kafka_settings, topic, admit, patience=30)
    await consumer.start()
    await send_to(kafka_settings, 0, SENT)
    await until(lambda: consumer.admitted)
    consumer.kafka.pause(TopicPartition(topic, 1))  # like a client that does not fetch it any more
    await send_to(kafka_settings, 1, SENT)
    checking = asyncio.create_task(stall_check.end_when_stalled(consumer, asyncio.Event(), 30))

    async def is_noticed() -> bool:
        await send_to(kafka_settings, 0, SENT)
        return checking.done()

    await until(is_noticed)
    with pytest.raises(stall_check.StalledConsumer, match=f"{topic}/1/0 has not been read"):
        checking.result()
    assert consumer.admitted > len(SENT)
    await consumer.stop()


async def test_a_slow_batch_is_not_a_stalled_partition(
    kafka_settings: Settings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = asyncio.Event()

    async def slow(_records: Sequence[RawRecord]) -> None:
        await release.wait()

    monkeypatch.setattr(stall_check, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(stall_check, "STALLED_SECONDS", 0.2)
    await send_to(kafka_settings, 0, SENT)
    consumer = make_consumer(kafka_settings, topic, slow, patience=30)
    await consumer.start()
    await until(lambda: consumer.is_busy)
    await send_to(kafka_settings, 0, SENT)
    looks: list[object] = []
    original = consumer.load_unread

    async def load_unread() -> dict[TopicPartition, tuple[int, int]]:
        looks.append(unread := await original())
        return unread

    monkeypatch.setattr(consumer, "load_unread", load_unread)
    stop = asyncio.Event()
    checking = asyncio.create_task(stall_check.end_when_stalled(consumer, stop, 30))
    await until(lambda: len(looks) > 10 or checking.done())
    stop.set()
    await checking
    release.set()
    await until(lambda: consumer.admitted == 2 * len(SENT))
    await consumer.stop()
