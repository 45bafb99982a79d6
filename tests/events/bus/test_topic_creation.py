"""The creation of topics: what the broker refuses is an error, and events are kept for ever."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    InvalidReplicationFactorError,
    KafkaError,
    PolicyViolationError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
)

from events.bus.topic_creation import create_topic
from events.bus.topics import Topics
from services.runtime.settings import Settings

ERRORS = (InvalidReplicationFactorError, PolicyViolationError, TopicAuthorizationFailedError)


@pytest.mark.stack
@pytest.mark.parametrize("error", ERRORS)
async def test_a_topic_that_the_broker_refuses_is_an_error(
    kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch, error: type[KafkaError]
) -> None:
    """The embedded broker refuses nothing, so its response is replaced."""

    async def refuse(_admin: AIOKafkaAdminClient, topics: list[NewTopic]) -> Any:
        return SimpleNamespace(topic_errors=[(topics[0].name, error.errno, "not for you")])

    monkeypatch.setattr(AIOKafkaAdminClient, "create_topics", refuse)
    topic = Topics.of(kafka_settings.topic_prefix).intake
    with pytest.raises(error, match=rf"topic {topic} with 8 partitions and 3 replicas: not for"):
        await create_topic(kafka_settings.brokers, topic, partitions=8, replicas=3)


@pytest.mark.stack
async def test_a_topic_that_another_process_creates_meanwhile_is_no_error(
    kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_admin: AIOKafkaAdminClient, topics: list[NewTopic]) -> Any:
        return SimpleNamespace(topic_errors=[(topics[0].name, TopicAlreadyExistsError.errno)])

    monkeypatch.setattr(AIOKafkaAdminClient, "create_topics", refuse)
    topic = Topics.of(kafka_settings.topic_prefix).intake
    await create_topic(kafka_settings.brokers, topic, partitions=8, replicas=1)


@pytest.mark.stack
async def test_only_the_topic_of_events_keeps_every_record(kafka_settings: Settings) -> None:
    topics = Topics.of(kafka_settings.topic_prefix)
    for topic in (topics.events, topics.intake):
        await create_topic(kafka_settings.brokers, topic, partitions=1, replicas=1)
    assert (await read_configs(kafka_settings, topics.events))["retention.ms"] == "-1"
    assert (await read_configs(kafka_settings, topics.intake)).get("retention.ms") != "-1"


async def read_configs(settings: Settings, topic: str) -> dict[str, str]:
    """Return the settings of a topic as the broker describes them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        (response,) = await admin.describe_configs([resource])
        ((_code, _message, _kind, _name, entries),) = response.resources
        return {name: value for name, value, *_ in entries}
    finally:
        await admin.close()
