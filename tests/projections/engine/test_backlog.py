"""What is folded gathers while a batch is being written, and comes back whole where that fails."""

import asyncio

import pytest

from events.leads import LeadNoted
from projections.catalog import LIVE
from projections.engine import backlog
from projections.engine.apply import Batch, Folded
from projections.engine.backlog import Backlog
from projections.engine.checkpoints import Checkpoint
from tests.projections.given import LEAD, recorded


class Writer:
    """Writes a batch when it is let; remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[Folded] = []
        self.begun, self.let = asyncio.Event(), asyncio.Event()
        self.fails = False

    async def __call__(self, batch: Batch) -> None:
        self.given.append(batch.folded)
        self.begun.set()
        await self.let.wait()
        if self.fails:
            raise ValueError("a row the database cannot hold")

    @property
    def sizes(self) -> list[int]:
        return [len(folded.recorded_events) for folded in self.given]


def folded(first: int, last: int) -> Folded:
    """Facts of one shard from one position to another."""
    recorded_events = [
        recorded(at, LeadNoted(lead_id=LEAD, note=f"{at}")) for at in range(first, last + 1)
    ]
    return Folded(recorded_events, (), {0: (Checkpoint(first - 1, 1), last)})


async def test_what_is_folded_while_a_batch_is_written_is_the_next_batch() -> None:
    writer = Writer()
    held = Backlog(LIVE.work(), writer)
    for at in (1, 2, 3):
        held.gather(folded(at, at))
        await writer.begun.wait()
    assert (writer.sizes, len(held), held.durable) == ([1], 2, 0)
    writer.let.set()
    await held.drain()
    assert writer.sizes == [1, 2]
    assert writer.given[1].moves == {0: (Checkpoint(1, 1), 3)}
    assert held.durable == held.folded == 3


async def test_no_batch_begins_while_rows_are_being_folded() -> None:
    writer = Writer()
    held = Backlog(LIVE.work(), writer)
    held.gather(folded(1, 1))
    held.gather(folded(2, 2))
    held.shut()
    writer.let.set()
    writing = held.writing
    assert writing is not None
    await writing
    assert (writer.sizes, len(held)) == ([1], 1)
    held.open()
    await held.drain()
    assert writer.sizes == [1, 1]


async def test_folding_waits_while_too_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "GATHER_EVENTS", 2)
    writer = Writer()
    held = Backlog(LIVE.work(), writer)
    for at in (1, 2, 3):
        await held.room()
        held.gather(folded(at, at))
    waiting = asyncio.create_task(held.room())
    done, _ = await asyncio.wait({waiting}, timeout=0.05)
    assert not done
    writer.let.set()
    await waiting
    await held.drain()


async def test_where_writing_fails_all_that_is_not_durable_comes_back_in_order() -> None:
    writer = Writer()
    writer.fails = True
    held = Backlog(LIVE.work(), writer)
    held.gather(folded(1, 2))
    held.gather(folded(3, 5))
    writer.let.set()
    with pytest.raises(ValueError, match="cannot hold"):
        await held.drain()
    back = held.withdraw()
    assert back is not None
    assert [one.position for one in back.recorded_events] == [1, 2, 3, 4, 5]
    assert back.moves == {0: (Checkpoint(0, 1), 5)}
    assert (writer.sizes, held.durable) == ([2], 0)
    assert held.withdraw() is None
