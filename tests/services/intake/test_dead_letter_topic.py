"""Copies of dead letters: each is sent once, and none of them stops the others."""

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest
from aiokafka.errors import KafkaError

from events.bus.topic_creation import create_topic
from events.bus.topics import Topics
from events.keys.contents import open_contents
from events.keys.ring import KeyRing, current_ring, use_ring
from events.log.connection import Connection
from services.application.sealed_tables import FoundRow, SealedTable, erase_rows
from services.intake import dead_letter_topic
from services.intake.admission import Admission
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from services.runtime.settings import Settings
from tests.services.intake.processes import read_all
from tests.services.intake.producer_records import raw_record

pytestmark = pytest.mark.stack

LARGE = raw_record(b"v" * 1_048_000, (("small", b"h"),), key=b"k")


async def open_copies(pool: asyncpg.Pool, copies: Sequence[Any]) -> list[bytes]:
    """Return the contents of copies, opened with their keys."""
    return [c or b"" for c in await open_contents(pool, [copy.value for copy in copies])]


async def test_a_dead_letter_of_the_largest_size_is_copied_once_and_does_not_stop_others(
    pool: asyncpg.Pool, kafka_settings: Settings
) -> None:
    topic = Topics.of(kafka_settings.topic_prefix).dead_letters
    servers = kafka_settings.kafka_bootstrap_servers
    await create_topic(servers, topic, partitions=1, replicas=1)
    admission = Admission(pool, IntakeSettings(), Clock())
    for rejected in (raw_record(b"before"), LARGE, raw_record(b"after")):
        await admission.admit([rejected])
    sender = dead_letter_topic.create_producer(servers)
    await sender.start()
    assert [await dead_letter_topic.copy_new(pool, sender, topic) for _ in range(2)] == [3, 0]
    await sender.stop()
    before, copied, after = await read_all(kafka_settings, topic, 3)
    headers = dict(copied.headers)
    assert headers["crm-reason"] == b"malformed"
    assert int(headers["crm-value-bytes"]) > 1_048_000
    assert copied.value == b""
    assert copied.key.decode() == headers["crm-dead-letter-id"].decode() == str(LARGE.id)
    assert b"before" not in before.value, "the content is encrypted"
    opened = await open_copies(pool, [before, after])
    assert [
        content.endswith(text) for content, text in zip(opened, (b"before", b"after"), strict=True)
    ]
    await erase_rows(
        cast("Connection", pool), [FoundRow(SealedTable.DEAD_LETTERS, UUID(before.key.decode()))]
    )
    ring = current_ring()
    use_ring(KeyRing(ring.master_keys))  # as in another process, which has loaded no key yet
    try:
        assert await open_copies(pool, [before]) == [b""], "the copy cannot be opened any more"
    finally:
        use_ring(ring)


async def test_a_dead_letter_that_the_broker_refuses_does_not_stop_others(
    pool: asyncpg.Pool, kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = Topics.of(kafka_settings.topic_prefix).dead_letters
    servers = kafka_settings.kafka_bootstrap_servers
    await create_topic(servers, topic, partitions=1, replicas=1)
    admission = Admission(pool, IntakeSettings(), Clock())
    records = [raw_record(value) for value in (b"before", b"refused", b"after")]
    for record in records:
        await admission.admit([record])
    sender = dead_letter_topic.create_producer(servers)
    await sender.start()
    original = sender.send_and_wait

    async def send_and_wait(topic: str, **message: Any) -> Any:
        if message["key"].decode() == str(records[1].id):
            raise KafkaError("refused")
        return await original(topic, **message)

    monkeypatch.setattr(sender, "send_and_wait", send_and_wait)
    for _ in range(2):
        with pytest.raises(KafkaError, match="refused"):
            await dead_letter_topic.copy_new(pool, sender, topic)
    monkeypatch.undo()
    assert [await dead_letter_topic.copy_new(pool, sender, topic) for _ in range(2)] == [1, 0]
    await sender.stop()
    copies = await read_all(kafka_settings, topic, 3)
    ids = [str(records[number].id) for number in (0, 2, 1)]
    assert [copy.key.decode() for copy in copies] == ids
