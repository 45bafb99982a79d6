"""Copies of dead letters: each is sent once, and none of them stops the others."""

from typing import Any

import asyncpg
import pytest
from aiokafka.errors import KafkaError

from events.bus.publish import create_topic
from events.bus.topics import Topics
from services.intake import dead_letter_topic
from services.intake.admission import Admission
from services.intake.raw_record import RawRecord
from services.intake.settings import IntakeSettings
from services.runtime.clock import Clock
from services.runtime.settings import Settings
from tests.services.intake.processes import read_all
from tests.services.intake.producer_records import raw_record

pytestmark = pytest.mark.stack

LARGE = 1_048_000
TOO_LARGE: dict[str, tuple[RawRecord, dict[str, bytes]]] = {
    "headers": (
        raw_record(b"x", (("big", b"h" * LARGE),), key=b"k"),
        {"crm-headers-bytes": b"1048019"},
    ),
    "the value": (
        raw_record(b"v" * LARGE, (("small", b"h"),), key=b"k"),
        {"small": b"h", "crm-value-bytes": b"1048000"},
    ),
    "the key": (
        raw_record(b"x", (("small", b"h"),), key=b"k" * LARGE),
        {"small": b"h", "crm-key-bytes": b"1048000"},
    ),
    "all together": (
        raw_record(b"v" * 500_000, (("big", b"h" * 500_000),), key=b"k" * 40_000),
        {"big": b"h" * 500_000, "crm-key-bytes": b"40000"},
    ),
}


@pytest.mark.parametrize("large", TOO_LARGE)
async def test_a_dead_letter_of_the_largest_size_is_copied_once_and_does_not_stop_others(
    pool: asyncpg.Pool, kafka_settings: Settings, large: str
) -> None:
    record, expected = TOO_LARGE[large]
    topic = Topics.of(kafka_settings.topic_prefix).dead_letters
    servers = kafka_settings.kafka_bootstrap_servers
    await create_topic(servers, topic, partitions=1, replicas=1)
    admission = Admission(pool, IntakeSettings(), Clock())
    for rejected in (raw_record(b"before"), record, raw_record(b"after")):
        await admission.admit([rejected])
    sender = dead_letter_topic.create_producer(servers)
    await sender.start()
    assert [await dead_letter_topic.copy_new(pool, sender, topic) for _ in range(2)] == [3, 0]
    await sender.stop()
    before, copied, after = await read_all(kafka_settings, topic, 3)
    assert (before.value, after.value) == (b"before", b"after")
    headers = dict(copied.headers)
    assert headers["crm-reason"] == b"malformed"
    assert {name: headers[name] for name in expected} == expected
    assert {name for name in headers if name.endswith("-bytes")} <= expected.keys()


async def test_a_dead_letter_that_the_broker_refuses_does_not_stop_others(
    pool: asyncpg.Pool, kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = Topics.of(kafka_settings.topic_prefix).dead_letters
    servers = kafka_settings.kafka_bootstrap_servers
    await create_topic(servers, topic, partitions=1, replicas=1)
    admission = Admission(pool, IntakeSettings(), Clock())
    for value in (b"before", b"refused", b"after"):
        await admission.admit([raw_record(value)])
    sender = dead_letter_topic.create_producer(servers)
    await sender.start()
    original = sender.send_and_wait

    async def send_and_wait(topic: str, **message: Any) -> Any:
        if message["value"] == b"refused":
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
    assert [copy.value for copy in copies] == [b"before", b"after", b"refused"]
