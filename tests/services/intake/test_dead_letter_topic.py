"""Copies of dead letters: each goes once, and none is too large or too odd for the others."""

from typing import Any

import asyncpg
import pytest
from aiokafka.errors import KafkaError

from events.bus.publish import create_topic
from events.bus.topics import Topics
from services.intake import dead_letter_topic
from services.intake.admission import Door
from services.intake.raw_record import Received
from services.intake.settings import IntakeSettings
from services.runtime.settings import Settings
from tests.services.intake.dead_letters import received
from tests.services.intake.processes import read_all

pytestmark = pytest.mark.stack

LARGE = 1_048_000
TOO_LARGE: dict[str, tuple[Received, dict[str, bytes]]] = {
    "headers": (
        received(b"x", (("big", b"h" * LARGE),), key=b"k"),
        {"crm-headers-bytes": b"1048019"},
    ),
    "the value": (
        received(b"v" * LARGE, (("small", b"h"),), key=b"k"),
        {"small": b"h", "crm-value-bytes": b"1048000"},
    ),
    "the key": (
        received(b"x", (("small", b"h"),), key=b"k" * LARGE),
        {"small": b"h", "crm-key-bytes": b"1048000"},
    ),
    "all together": (
        received(b"v" * 500_000, (("big", b"h" * 500_000),), key=b"k" * 40_000),
        {"big": b"h" * 500_000, "crm-key-bytes": b"40000"},
    ),
}


@pytest.mark.parametrize("large", TOO_LARGE)
async def test_a_dead_letter_of_the_largest_size_is_copied_once_and_stops_no_other(
    pool: asyncpg.Pool, kafka_settings: Settings, large: str
) -> None:
    record, left = TOO_LARGE[large]
    topic = Topics.of(kafka_settings.topic_prefix).dead_letters
    servers = kafka_settings.kafka_bootstrap_servers
    await create_topic(servers, topic, partitions=1, replicas=1)
    door = Door(pool, IntakeSettings())
    for one in (received(b"before"), record, received(b"after")):
        await door.take_in([one])
    sender = dead_letter_topic.producer(servers)
    await sender.start()
    assert [await dead_letter_topic.copy(pool, sender, topic) for _ in range(2)] == [3, 0]
    await sender.stop()
    before, copied, after = await read_all(kafka_settings, topic, 3)
    assert (before.value, after.value) == (b"before", b"after")
    said = dict(copied.headers)
    assert said["crm-reason"] == b"malformed"
    assert {name: said[name] for name in left} == left
    assert {name for name in said if name.endswith("-bytes")} <= left.keys()


async def test_a_dead_letter_that_the_broker_refuses_stops_no_other(
    pool: asyncpg.Pool, kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = Topics.of(kafka_settings.topic_prefix).dead_letters
    servers = kafka_settings.kafka_bootstrap_servers
    await create_topic(servers, topic, partitions=1, replicas=1)
    door = Door(pool, IntakeSettings())
    for value in (b"before", b"refused", b"after"):
        await door.take_in([received(value)])
    sender = dead_letter_topic.producer(servers)
    await sender.start()
    plain = sender.send_and_wait

    async def send_and_wait(topic: str, **said: Any) -> Any:
        if said["value"] == b"refused":
            raise KafkaError("refused")
        return await plain(topic, **said)

    monkeypatch.setattr(sender, "send_and_wait", send_and_wait)
    for _ in range(2):
        with pytest.raises(KafkaError, match="refused"):
            await dead_letter_topic.copy(pool, sender, topic)
    monkeypatch.undo()
    assert [await dead_letter_topic.copy(pool, sender, topic) for _ in range(2)] == [1, 0]
    await sender.stop()
    came = await read_all(kafka_settings, topic, 3)
    assert [copy.value for copy in came] == [b"before", b"after", b"refused"]
