"""A checkpoint moves only if all assumptions of the writer are true."""

from typing import Any

import asyncpg
import pytest

from projections.engine import checkpoints
from projections.engine.checkpoints import BeyondLog, Checkpoint, FencingError, WrongVersion

GROUP, VERSION, GENERATION = "group", "1", 1


@pytest.mark.parametrize("wrong", [None, "position", "epoch", "version", "generation", "group"])
async def test_a_writer_with_a_wrong_assumption_is_fenced(
    pool: asyncpg.Pool, wrong: str | None
) -> None:
    async with pool.acquire() as conn:
        await conn.execute("UPDATE crm.shards SET position = 12")
        await checkpoints.create(conn, GROUP, VERSION, GENERATION)
        owned = await checkpoints.own(conn, GROUP, VERSION, GENERATION, [3, 4], "owner")
        moves = {3: (owned[3], 7), 4: (owned[4], 9)}
        await checkpoints.advance(conn, GROUP, VERSION, GENERATION, moves)
        actual: dict[str, Any] = {
            "position": 7, "epoch": owned[3].epoch, "version": VERSION, "generation": GENERATION,
            "group": GROUP,
        }  # fmt: skip
        others = {"position": 0, "epoch": 0, "version": "2", "generation": 2, "group": "other"}
        assumed = actual if wrong is None else actual | {wrong: others[wrong]}
        moves = {3: (Checkpoint(assumed["position"], assumed["epoch"]), 12)}
        moving = checkpoints.advance(
            conn, assumed["group"], assumed["version"], assumed["generation"], moves
        )
        if wrong is None:
            await moving
        else:
            with pytest.raises(FencingError) as fencing:
                await moving
            assert fencing.value.shards == [3]
        positions = await checkpoints.positions(conn, GROUP)
    assert (positions[3], positions[4]) == (12 if wrong is None else 7, 9)


@pytest.mark.parametrize("position", [10, 11, 2**63 - 1])
async def test_a_checkpoint_never_passes_the_shard_head(pool: asyncpg.Pool, position: int) -> None:
    async with pool.acquire() as conn:
        await conn.execute("UPDATE crm.shards SET position = 10 WHERE shard = 3")
        await checkpoints.create(conn, GROUP, VERSION, GENERATION)
        owned = await checkpoints.own(conn, GROUP, VERSION, GENERATION, [3], "owner")
        moving = checkpoints.advance(conn, GROUP, VERSION, GENERATION, {3: (owned[3], position)})
        if position == 10:
            await moving
        else:
            with pytest.raises(BeyondLog, match=r"shards \[3\]"):
                await moving
        assert (await checkpoints.positions(conn, GROUP))[3] == (10 if position == 10 else 0)
        assert await checkpoints.beyond_log(conn, GROUP) == []


async def test_shards_beyond_the_log_are_found(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        await checkpoints.create(conn, GROUP, VERSION, GENERATION)
        await conn.execute("UPDATE crm.checkpoints SET position = 5 WHERE shard IN (7, 9)")
        await conn.execute("UPDATE crm.shards SET position = 5 WHERE shard = 7")
        assert await checkpoints.beyond_log(conn, GROUP) == [9]


async def test_a_new_owner_gets_a_higher_epoch_at_the_same_position(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        await checkpoints.create(conn, GROUP, VERSION, GENERATION)
        before = await checkpoints.own(conn, GROUP, VERSION, GENERATION, [3], "first")
        after = await checkpoints.own(conn, GROUP, VERSION, GENERATION, [3], "second")
    assert after[3] == Checkpoint(before[3].position, before[3].epoch + 1)


@pytest.mark.parametrize(
    ("group", "version", "generation", "message"),
    [
        (
            GROUP,
            "leads.2",
            GENERATION,
            "do not contain leads.2 yet: run `crm replay rebuild leads`",
        ),
        (GROUP, "leads", GENERATION, "do not contain leads yet: run `crm replay rebuild leads`"),
        (GROUP, VERSION, 2, "generation 1 of the log"),
        ("other", VERSION, GENERATION, "no checkpoints"),
    ],
)
async def test_shards_of_another_version_cannot_be_owned(
    pool: asyncpg.Pool, group: str, version: str, generation: int, message: str
) -> None:
    async with pool.acquire() as conn:
        await checkpoints.create(conn, GROUP, VERSION, GENERATION)
        with pytest.raises(WrongVersion, match=message):
            await checkpoints.own(conn, group, version, generation, [3], "owner")
