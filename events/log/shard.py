"""The shard of an ordering key: Kafka's murmur2, so that a shard lies whole in a partition."""

from functools import lru_cache
from uuid import UUID

from aiokafka.partitioner import murmur2

SHARDS = 64


@lru_cache(maxsize=65_536)
def shard_of(ordering_key: UUID) -> int:
    """0 … 63, the same for Kafka's default partitioner and for `crm.shard_of` in SQL."""
    return int(murmur2(str(ordering_key).encode()) & 0x7FFFFFFF) % SHARDS


def shards_in(partition: int, partitions: int) -> list[int]:
    """The shards that lie in one partition of a topic. Raises where they would be torn apart."""
    check_partitions(partitions)
    return list(range(partition, SHARDS, partitions))


def check_partitions(partitions: int) -> None:
    if partitions < 1 or SHARDS % partitions:
        raise ValueError(
            f"a topic of {partitions} partitions would tear shards apart: "
            "use 1, 2, 4, 8, 16, 32 or 64"
        )
