"""The consumer commits nothing that is not durable, and gives up in the end."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from events.bus.publish import create_topic
from events.bus.topics import Topics
from services.intake import intake
from services.intake.consumer import Consumer, TakeIn
from services.intake.kafka_reading import Batch
from services.intake.raw_record import Received
from services.local_stack import drain
from services.local_stack.drain import drained
from services.runtime.settings import Settings
from tests.broker_offsets import tell
from tests.conftest import until
from tests.services.intake.processes import Raw, read_all, send, send_to

pytestmark = pytest.mark.stack


@pytest.fixture
async def topic(kafka_settings: Settings) -> str:
    found = Topics.of(kafka_settings.topic_prefix).intake
    servers = kafka_settings.kafka_bootstrap_servers
    await create_topic(servers, found, partitions=1, replicas=1)
    return found


def consumer(settings: Settings, topic: str, take_in: TakeIn, *, patience: float) -> Consumer:
    servers = settings.kafka_bootstrap_servers
    return Consumer(servers, topic, take_in, batch_records=100, patience_seconds=patience)


async def committed(settings: Settings, topic: str) -> int | None:
    asking = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers, group_id=topic,
        enable_auto_commit=False,
    )  # fmt: skip
    await asking.start()
    try:
        found: int | None = await asking.committed(TopicPartition(topic, 0))
        return found
    finally:
        await asking.stop()


async def test_a_database_that_stays_away_ends_the_consumer_and_commits_nothing(
    kafka_settings: Settings, topic: str
) -> None:
    async def away(_records: Sequence[Received]) -> None:
        raise ConnectionRefusedError("no database")

    await send(kafka_settings, [(b"1", []), (b"2", [])])
    reading = consumer(kafka_settings, topic, away, patience=0.5)
    await reading.start()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.wait_for(reading.failed, 30)
    await reading.stop()
    assert not await committed(kafka_settings, topic)


async def test_a_database_that_comes_back_is_waited_for(
    kafka_settings: Settings, topic: str
) -> None:
    attempts: list[list[bytes | None]] = []

    async def back_at_third(records: Sequence[Received]) -> None:
        attempts.append([record.value for record in records])
        if len(attempts) < 3:
            raise ConnectionRefusedError("no database yet")

    await send(kafka_settings, [(b"1", []), (b"2", [])])
    reading = consumer(kafka_settings, topic, back_at_third, patience=30)
    await reading.start()
    await until(lambda: reading.read)
    await reading.stop()
    assert attempts[0] == attempts[1] == attempts[2]
    assert await committed(kafka_settings, topic) == reading.read


async def test_a_stop_finishes_the_batch_in_hand(kafka_settings: Settings, topic: str) -> None:
    began, finished = asyncio.Event(), asyncio.Event()
    release = asyncio.Event()

    async def slow(_records: Sequence[Received]) -> None:
        began.set()
        await release.wait()
        finished.set()

    await send(kafka_settings, [(b"1", [])])
    reading = consumer(kafka_settings, topic, slow, patience=30)
    await reading.start()
    await asyncio.wait_for(began.wait(), 30)
    stopping = asyncio.create_task(reading.stop())
    release.set()
    await stopping
    assert finished.is_set()
    assert await committed(kafka_settings, topic) == 1


async def test_what_a_broker_tells_of_starts_and_ends_loses_no_record(
    kafka_settings: Settings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that starts at what is told to be earliest never sees the first batch."""
    came: list[bytes | None] = []

    async def take_in(records: Sequence[Received]) -> None:
        came.extend(record.value for record in records)

    sent = [str(n).encode() for n in range(30)]
    for start in (0, 10, 20):
        await send(kafka_settings, [(value, []) for value in sent[start : start + 10]])
    tell(monkeypatch, start=10, end=1)
    assert [record.value for record in await read_all(kafka_settings, topic, 20)] == sent[10:]
    servers = kafka_settings.kafka_bootstrap_servers
    assert await drained(servers, topic, topic, 0) == 20  # it counts from what is told
    reading = consumer(kafka_settings, topic, take_in, patience=30)
    await reading.start()
    assert await drained(servers, topic, topic, 30) == 0
    assert came == sent
    await reading.stop()


async def test_how_many_are_unread_is_asked_again_until_the_broker_says(
    kafka_settings: Settings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when there is no time left: not to know is no number."""
    plain, asked = drain._ends, 0

    async def late(consumer: Any, read: dict[TopicPartition, int]) -> dict[TopicPartition, int]:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise TimeoutError
        return await plain(consumer, read)

    monkeypatch.setattr(drain, "_ends", late)
    await send(kafka_settings, [(b"1", []), (b"2", [])])
    assert await drained(kafka_settings.kafka_bootstrap_servers, topic, topic, 0) == 2


async def all_of_both(settings: Settings, first: list[Raw], second: list[Raw]) -> None:
    """Send a batch to each of two partitions, and demand that every record comes, in order."""
    came: dict[int, list[Raw]] = {0: [], 1: []}

    async def take_in(records: Sequence[Received]) -> None:
        for record in records:
            came[record.partition].append((record.value, list(record.headers)))

    topic = Topics.of(settings.topic_prefix).intake
    servers = settings.kafka_bootstrap_servers
    await create_topic(servers, topic, partitions=2, replicas=1)
    await send_to(settings, 0, first)
    await send_to(settings, 1, second)
    reading = consumer(settings, topic, take_in, patience=30)
    await reading.start()
    assert await drained(servers, topic, topic, 30) == 0
    await reading.stop()
    assert came == {0: first, 1: [(value, _as_read(headers)) for value, headers in second]}


def _as_read(headers: Sequence[tuple[str, bytes | None]]) -> list[tuple[str, bytes | None]]:
    bad = b"unread\xffble"
    return [
        ("??????????" if name == "unreadable" else name, bad if value == b"unreadable" else value)
        for name, value in headers
    ]


SENT: list[Raw] = [(str(n).encode(), [("n", b"1")]) for n in range(40)]


async def test_a_header_name_that_is_no_text_costs_no_record(kafka_settings: Settings) -> None:
    """The same bytes as a header's value, and records after it in its batch, come as they are."""
    odd: list[Raw] = [
        (b"x", [("a", b"unreadable"), ("unreadable", b"unreadable"), ("unreadable", None)]),
        (b"", []),
    ]
    await all_of_both(kafka_settings, SENT, [*SENT, *odd, *SENT])


async def test_a_partition_that_cannot_be_read_costs_the_others_nothing(
    kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that raises has drained what other partitions had, and moved on in them."""
    looked_at = 0
    plain = Batch.validate_crc

    def validate_crc(batch: Batch) -> bool:
        nonlocal looked_at
        looked_at += 1
        return looked_at != 2 and bool(plain(batch))

    monkeypatch.setattr(Batch, "validate_crc", validate_crc)
    await all_of_both(kafka_settings, SENT, SENT)
    assert looked_at == 3


async def test_a_partition_that_hangs_is_noticed_while_others_move(
    kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def take_in(_records: Sequence[Received]) -> None: ...

    monkeypatch.setattr(intake, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(intake, "STALLED_SECONDS", 1.0)
    topic = Topics.of(kafka_settings.topic_prefix).intake
    await create_topic(kafka_settings.kafka_bootstrap_servers, topic, partitions=2, replicas=1)
    reading = consumer(kafka_settings, topic, take_in, patience=30)
    await reading.start()
    await send_to(kafka_settings, 0, SENT)
    await until(lambda: reading.read)
    reading.kafka.pause(TopicPartition(topic, 1))  # as a client that fetches it no more
    await send_to(kafka_settings, 1, SENT)
    watching = asyncio.create_task(intake._watch(reading, asyncio.Event(), 30))

    async def noticed() -> bool:
        await send_to(kafka_settings, 0, SENT)
        return watching.done()

    await until(noticed)
    with pytest.raises(intake.Stalled, match=f"{topic}/1/0 has not been read"):
        watching.result()
    assert reading.read > len(SENT)
    await reading.stop()


async def test_a_batch_that_takes_long_is_no_partition_that_hangs(
    kafka_settings: Settings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = asyncio.Event()

    async def slow(_records: Sequence[Received]) -> None:
        await release.wait()

    monkeypatch.setattr(intake, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(intake, "STALLED_SECONDS", 0.2)
    await send_to(kafka_settings, 0, SENT)
    reading = consumer(kafka_settings, topic, slow, patience=30)
    await reading.start()
    await until(lambda: reading.busy)
    await send_to(kafka_settings, 0, SENT)
    looks: list[object] = []
    plain = reading.unread

    async def unread() -> dict[TopicPartition, tuple[int, int]]:
        looks.append(found := await plain())
        return found

    monkeypatch.setattr(reading, "unread", unread)
    stop = asyncio.Event()
    watching = asyncio.create_task(intake._watch(reading, stop, 30))
    await until(lambda: len(looks) > 10 or watching.done())
    stop.set()
    await watching
    release.set()
    await until(lambda: reading.read == 2 * len(SENT))
    await reading.stop()
