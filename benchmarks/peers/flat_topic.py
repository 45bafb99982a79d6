"""The rows of the flat table as records of a topic, for sinks that copy records to a table."""

from collections.abc import Iterable

import orjson
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.peers.flat_table import make_row
from events.record import NewEvent

PARTITIONS = 8
SCHEMA = {
    "type": "struct", "optional": False,
    "fields": [
        {"field": name, "type": "string", "optional": name == "content"}
        | ({"name": kind} if kind else {})
        for name, kind in (
            ("id", "io.debezium.data.Uuid"), ("org_id", "io.debezium.data.Uuid"),
            ("property_id", "io.debezium.data.Uuid"), ("entity_id", "io.debezium.data.Uuid"),
            ("type", ""), ("content", ""), ("occurred_at", "io.debezium.time.ZonedTimestamp"),
        )
    ],
}  # fmt: skip
"""The schema of the records as Kafka Connect writes it in JSON."""


def fill_topic(bootstrap_servers: str, topic: str, new_events: Iterable[NewEvent]) -> None:
    """Create the topic, and produce a JSON record with the columns of each event."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    for created in admin.create_topics([NewTopic(topic, PARTITIONS, 1)]).values():
        created.result()
    producer = Producer({"bootstrap.servers": bootstrap_servers, "linger.ms": 20,
                         "queue.buffering.max.messages": 1_000_000})  # fmt: skip
    for new in new_events:
        content = getattr(new.event, "content", None)
        row = make_row(new, new.stream.entity_id, new.event.name, content)
        producer.produce(topic, orjson.dumps(row), new.ordering_key.bytes)
        producer.poll(0)
    if left := producer.flush(60):
        raise RuntimeError(f"{left} records were not acknowledged within a minute")
