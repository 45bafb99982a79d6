"""The number of records of the intake topic that are not admitted yet.

It is computed from what the broker answered last, so it is still known when the broker has died.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import ConsumerRecord, TopicPartition


class UnreadRecords:
    """Partition → the end of what is admitted, and the last known end of the partition."""

    def __init__(self) -> None:
        self._admitted: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}

    def count(self, kafka: Any) -> int:
        """Return how many records are not admitted. `kafka` is asked nothing.

        It knows the ends that came with records. If it is asked, the embedded broker reports lower
        ones.
        """
        assigned = kafka.assignment() if kafka is not None else ()
        highwaters = {key: kafka.highwater(key) or 0 for key in assigned}
        return sum(
            max(0, max(self._ends.get(key, 0), highwaters.get(key, 0)) - admitted)
            for key, admitted in self._admitted.items()
        )

    def begin_at(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Note where the reading of partitions begins, unless it is known."""
        self._admitted = {**offsets, **self._admitted}

    def set_ends(self, ends: Mapping[TopicPartition, int]) -> None:
        """Note the ends that the broker answered.

        Raise `LookupError` if one is lower than before: the broker lost its data, and what it has
        now must be read from offset 0. A comparison of the end with what was read proves nothing:
        the embedded broker counts its last batch as one record.
        """
        if any(end < self._ends.get(key, 0) for key, end in ends.items()):
            raise LookupError("the broker lost records: read the topic again from offset 0")
        self._ends |= ends

    def add_fetched(self, records: Iterable[ConsumerRecord]) -> None:
        """Note records that were fetched and are not admitted yet."""
        for record in records:
            key = TopicPartition(record.topic, record.partition)
            self._admitted.setdefault(key, record.offset)

    def mark_admitted(self, records: Iterable[ConsumerRecord]) -> None:
        """Note that records were admitted."""
        self._admitted |= ends_of(records)


def ends_of(records: Iterable[ConsumerRecord]) -> dict[TopicPartition, int]:
    """Return partition → the offset after its last record."""
    return {TopicPartition(r.topic, r.partition): r.offset + 1 for r in records}
