"""The creation of topics with their settings, and their number of partitions.

Each topic that is refused is an error.
"""

from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from events.bus.brokers import client_options
from events.bus.topics import EVENTS_SUFFIX
from events.log.shard import check_partitions

KEEP_EVERYTHING = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
"""Settings of the topic of events: a new consumer reads every event of the log from it."""


async def create_topics(
    admin: AIOKafkaAdminClient, topics: Sequence[str], *, partitions: int, replicas: int
) -> list[str]:
    """Create topics; return those that did not exist before.

    Raise `ValueError` for a number of partitions that splits shards, and the broker's error, as a
    `KafkaError` with the name of the topic, if it refuses one. The other topics are created then.
    """
    check_partitions(partitions)
    answer = await admin.create_topics(
        [
            NewTopic(
                topic, partitions, replicas,
                topic_configs=KEEP_EVERYTHING if topic.endswith(EVENTS_SUFFIX) else None,
            )
            for topic in topics
        ]
    )  # fmt: skip
    created: list[str] = []
    for topic, code, *details in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            why = next((detail for detail in details if detail), error.description)
            raise error(
                f"the broker does not create topic {topic} with {partitions} partitions and "
                f"{replicas} replicas: {why}"
            )
        if not code:
            created.append(topic)
    return created


async def create_topic(
    bootstrap_servers: str, topic: str, *, partitions: int, replicas: int
) -> None:
    """Create a topic if it does not exist. Raise what `create_topics` raises."""
    admin = AIOKafkaAdminClient(**client_options(bootstrap_servers))
    await admin.start()
    try:
        if topic not in await admin.list_topics():
            await create_topics(admin, [topic], partitions=partitions, replicas=replicas)
    finally:
        await admin.close()


async def partitions_of(bootstrap_servers: str, topic: str) -> int:
    """Return the number of partitions of a topic, 0 if it does not exist; never create it."""
    admin = AIOKafkaAdminClient(**client_options(bootstrap_servers))
    await admin.start()
    try:
        if topic not in await admin.list_topics():
            return 0
        (description,) = await admin.describe_topics([topic])
        return len(description["partitions"])
    finally:
        await admin.close()
