"""The shard of a property is the same in SQL, in Python and in Kafka's partitioner."""

from uuid import UUID

import asyncpg
import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.log.shard import SHARDS, check_partitions, shard_of, shards_in

DIVISORS = (1, 2, 4, 8, 16, 32, 64)


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.uuids() | st.builds(UUID, int=st.integers(0, 2**128 - 1)), min_size=100))
async def test_sql_and_python_compute_the_same_shard(pool: asyncpg.Pool, keys: list[UUID]) -> None:
    async with pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT key, crm.shard_of(key) AS shard FROM unnest($1::uuid[]) AS key", keys
        )
    assert {row["key"]: row["shard"] for row in rows} == {key: shard_of(key) for key in keys}


@given(st.uuids(), st.sampled_from(DIVISORS))
def test_kafkas_partitioner_selects_the_partition_of_the_shard(key: UUID, count: int) -> None:
    partitions = list(range(count))
    partition = DefaultPartitioner()(str(key).encode(), partitions, partitions)
    assert shard_of(key) % count == partition
    assert shard_of(key) in shards_in(partition, count)


@pytest.mark.parametrize("count", DIVISORS)
def test_each_shard_is_in_one_partition(count: int) -> None:
    shards = [shard for partition in range(count) for shard in shards_in(partition, count)]
    assert sorted(shards) == list(range(SHARDS))


@pytest.mark.parametrize("count", [0, -8, 3, 6, 12, 65, 128])
def test_partition_counts_that_split_shards_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="1, 2, 4"):
        check_partitions(count)
