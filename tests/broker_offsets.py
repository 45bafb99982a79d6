"""A broker that tells other offsets than it has, as the embedded one does for concurrent batches.

Where several producers make a partition's first batches at once, Tansu's answer to ListOffsets can
name a later batch as the earliest and an earlier one as the last. Measured: batches at 0, 10 and
20, told start 10, told end 1; fetches tell the right end. It happens to one partition in some
hundred, so that tests give the answer instead of waiting for it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher

EARLIEST = -2
"""What a ListOffsets request asks with; the latest is -1."""
Asked = Mapping[str, Sequence[tuple[int, int]]]


def tell(monkeypatch: pytest.MonkeyPatch, *, start: int, end: int) -> None:
    """Every partition is told to start and end there, to whoever asks for offsets alone."""

    async def told(_self: Any, _node: int, asked: Asked) -> dict[TopicPartition, tuple[int, int]]:
        return {
            TopicPartition(topic, partition): (start if which == EARLIEST else end, -1)
            for topic, places in asked.items()
            for partition, which in places
        }

    monkeypatch.setattr(Fetcher, "_proc_offset_request", told)
