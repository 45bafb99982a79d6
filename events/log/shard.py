"""The shard of an ordering key, by Kafka's murmur2, so that a partition has whole shards."""

from functools import lru_cache
from uuid import UUID

from aiokafka.partitioner import murmur2

SHARDS = 64


@lru_cache(maxsize=65_536)
def shard_of(ordering_key: UUID) -> int:
    """Return the shard, 0 to 63, as Kafka's default partitioner and `crm.shard_of` in SQL do."""
    return shard_of_key(str(ordering_key).encode())


@lru_cache(maxsize=65_536)
def shard_of_key(key: bytes) -> int:
    """Return the shard of an ordering key in the form of a Kafka key."""
    return int(murmur2(key) & 0x7FFFFFFF) % SHARDS


def shards_in(partition: int, partitions: int) -> list[int]:
    """Return the shards in one partition of a topic; raise `ValueError` if it splits shards."""
    check_partitions(partitions)
    return list(range(partition, SHARDS, partitions))


def check_partitions(partitions: int) -> None:
    """Raise `ValueError` if a topic with so many partitions would split shards."""
    if partitions < 1 or SHARDS % partitions:
        raise ValueError(
            f"a topic of {partitions} partitions would split shards: use 1, 2, 4, 8, 16, 32 or 64"
        )
