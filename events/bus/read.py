"""A reader of whole topics from their beginning, without a consumer group."""

from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, TopicPartition

from events.bus.brokers import client_options
from events.bus.header_names import tolerate_header_names
from events.bus.topic_creation import partitions_of
from events.bus.verify import VerifyingReader
from events.bus.wire import ReceivedRecord

FETCH_RECORDS = 10_000
POLL_MILLISECONDS = 50
MAX_EMPTY_POLLS = 200
"""After this many polls without a record the broker is taken to have no more records."""


class Reader:
    """A reader of whole partitions of one topic, with `start` and `stop`."""

    def __init__(self, bootstrap_servers: str, verifying: VerifyingReader) -> None:
        self.topic = verifying.topic
        self.partitions = 0
        self._verifying = verifying
        self._bootstrap_servers = bootstrap_servers
        tolerate_header_names()
        self._consumer = AIOKafkaConsumer(
            **client_options(bootstrap_servers),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=POLL_MILLISECONDS,
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )

    async def start(self) -> None:
        """Connect to the broker. Raises `LookupError` if the topic does not exist."""
        self.partitions = await partitions_of(self._bootstrap_servers, self.topic)
        if not self.partitions:
            raise LookupError(f"the broker has no topic {self.topic}: use `--source log`")
        await self._consumer.start()

    async def stop(self) -> None:
        await self._consumer.stop()

    async def partition(self, number: int) -> AsyncIterator[list[ReceivedRecord]]:
        """Yield the verified records of a partition in order, up to its present end.

        The end is the high watermark of the first fetch. The start is offset 0 or, if that was
        deleted, the first offset that the client finds. Requests for offsets alone are not used,
        because the embedded broker answers them with other numbers.
        """
        topic_partition = TopicPartition(self.topic, number)
        self._consumer.assign([topic_partition])
        self._consumer.seek(topic_partition, 0)
        end: int | None = None
        empty_polls = 0
        while empty_polls < MAX_EMPTY_POLLS:
            fetched = await self._consumer.getmany(
                topic_partition, timeout_ms=POLL_MILLISECONDS, max_records=FETCH_RECORDS
            )
            for records in fetched.values():
                yield (await self._verifying.read(records)).records
            end = self._consumer.highwater(topic_partition) if end is None else end
            if end is not None and await self._consumer.position(topic_partition) >= end:
                return
            empty_polls = 0 if fetched else empty_polls + 1
