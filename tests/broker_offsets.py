"""A broker that reports wrong offsets, as the embedded broker does for concurrent batches.

If several producers write the first batches of a partition at the same time, Tansu's answer to
ListOffsets can name a later batch as the earliest and an earlier batch as the latest. Measured: for
batches at 0, 10 and 20, the reported start was 10 and the reported end 1. Fetches return the right
end. About one partition in some hundred is affected, so tests simulate the answer.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher

EARLIEST = -2
"""The timestamp with which ListOffsets asks for the first offset; -1 asks for the last one."""
OffsetRequests = Mapping[str, Sequence[tuple[int, int]]]
"""Topic → (partition, timestamp)."""


def report_offsets(monkeypatch: pytest.MonkeyPatch, *, start: int, end: int) -> None:
    """Make every ListOffsets request return `start` and `end` for all partitions."""

    async def list_offsets(
        _self: Any, _node: int, requests: OffsetRequests
    ) -> dict[TopicPartition, tuple[int, int]]:
        return {
            TopicPartition(topic, partition): (start if timestamp == EARLIEST else end, -1)
            for topic, pairs in requests.items()
            for partition, timestamp in pairs
        }

    monkeypatch.setattr(Fetcher, "_proc_offset_request", list_offsets)
