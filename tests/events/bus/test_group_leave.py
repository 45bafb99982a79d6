"""A consumer that stops leaves its group, so that the next one need not wait for its session."""

from uuid import uuid4

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from events.bus.group_leave import leave_first_generations
from tests.conftest import until


async def test_a_consumer_leaves_its_group_in_the_first_generation(bootstrap_servers: str) -> None:
    leave_first_generations()
    topic = group = f"leave-{uuid4()}"
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
        consumer = AIOKafkaConsumer(topic, group_id=group, bootstrap_servers=bootstrap_servers)
        await consumer.start()
        await until(consumer.assignment)
        assert await count_members(admin, group) == 1
        await consumer.stop()
        assert await count_members(admin, group) == 0
    finally:
        await admin.close()


async def count_members(admin: AIOKafkaAdminClient, group: str) -> int:
    responses = await admin.describe_consumer_groups([group])
    [found] = [found for response in responses for found in response.groups]
    _error, _group, _state, _protocol_type, _protocol, members, *_ = found
    return len(members)
