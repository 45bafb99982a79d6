"""A checkpoint moves for who believes the truth, all of it, and for nobody else."""

from typing import Any

import asyncpg
import pytest

from projections.engine import checkpoints
from projections.engine.checkpoints import Checkpoint, Fenced


@pytest.mark.parametrize("wrong", [None, "position", "epoch", "version", "generation", "unit"])
async def test_every_belief_must_hold(pool: asyncpg.Pool, wrong: str | None) -> None:
    async with pool.acquire() as conn:
        await checkpoints.create(conn, "unit", "1", 1)
        held = await checkpoints.claim(conn, "unit", "1", 1, [3, 4], "me")
        await checkpoints.advance(conn, "unit", "1", 1, {3: (held[3], 7), 4: (held[4], 9)})
        truth: dict[str, Any] = {
            "position": 7, "epoch": held[3].epoch, "version": "1", "generation": 1, "unit": "unit",
        }  # fmt: skip
        others = {"position": 0, "epoch": 0, "version": "2", "generation": 2, "unit": "other"}
        said = truth if wrong is None else truth | {wrong: others[wrong]}
        moves = {3: (Checkpoint(said["position"], said["epoch"]), 12)}
        moving = checkpoints.advance(conn, said["unit"], said["version"], said["generation"], moves)
        if wrong is None:
            await moving
        else:
            with pytest.raises(Fenced) as fenced:
                await moving
            assert fenced.value.shards == [3]
        reached = await checkpoints.positions(conn, "unit")
    assert (reached[3], reached[4]) == (12 if wrong is None else 7, 9)
