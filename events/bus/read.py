"""Reading a topic from its beginning to where it ends now, outside any consumer group."""

from collections.abc import AsyncIterator
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition

from events.bus import wire
from events.bus.publish import partitions_of
from events.bus.wire import Arrival

FETCH_RECORDS = 10_000
POLL_MILLISECONDS = 50
SILENT_POLLS = 200


class Reader:
    """Reads whole partitions of one topic; start and stop it."""

    def __init__(self, bootstrap_servers: str, topic: str, log_id: UUID) -> None:
        self.topic, self.log_id = topic, log_id
        self.partitions = 0
        self._bootstrap_servers = bootstrap_servers
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap_servers,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=POLL_MILLISECONDS,
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )

    async def start(self) -> None:
        """Connect. Raises `LookupError` where there is no such topic."""
        self.partitions = await partitions_of(self._bootstrap_servers, self.topic)
        if not self.partitions:
            raise LookupError(f"the broker has no topic {self.topic}: use `--source log`")
        await self._consumer.start()

    async def stop(self) -> None:
        await self._consumer.stop()

    async def partition(self, number: int) -> AsyncIterator[list[Arrival]]:
        """The records of a partition, in order, up to the end it has now; foreign ones left out.

        The end is what the first fetch tells, and the start is offset 0 or, where that is deleted,
        what the client finds then: asked for offsets alone, the embedded broker tells others.
        """
        place = TopicPartition(self.topic, number)
        self._consumer.assign([place])
        self._consumer.seek(place, 0)
        end: int | None = None
        silent = 0
        while silent < SILENT_POLLS:
            found = await self._consumer.getmany(
                place, timeout_ms=POLL_MILLISECONDS, max_records=FETCH_RECORDS
            )
            for records in found.values():
                yield [came for r in records if (came := self._arrival(r.value))]
            end = self._consumer.highwater(place) if end is None else end
            if end is not None and await self._consumer.position(place) >= end:
                return
            silent = 0 if found else silent + 1

    def _arrival(self, value: bytes | None) -> Arrival | None:
        try:
            return wire.arrival(value, self.log_id)
        except wire.NotOurs:
            return None
