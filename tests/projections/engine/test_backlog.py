"""The backlog gathers folded events while a batch is written, and returns them if it fails."""

import asyncio

import pytest

from events.leads import LeadNoted
from projections.catalog import LIVE
from projections.engine import backlog
from projections.engine.backlog import Backlog
from projections.engine.batch import FoldedEvents, WriteBatch
from projections.engine.checkpoints import Checkpoint
from tests.projections.given import LEAD, record


class Writer:
    """A writer that waits until the test allows it, and remembers its batches."""

    def __init__(self) -> None:
        self.written: list[FoldedEvents] = []
        self.started, self.allowed = asyncio.Event(), asyncio.Event()
        self.fails = False

    async def __call__(self, batch: WriteBatch) -> None:
        self.written.append(batch.folded)
        self.started.set()
        await self.allowed.wait()
        if self.fails:
            raise ValueError("a row that the database cannot store")

    @property
    def sizes(self) -> list[int]:
        return [len(folded.recorded_events) for folded in self.written]


def fold(first: int, last: int) -> FoldedEvents:
    """Return the events of one shard from one position to another."""
    recorded_events = [
        record(position, LeadNoted(lead_id=LEAD, note=f"{position}"))
        for position in range(first, last + 1)
    ]
    return FoldedEvents(recorded_events, (), {0: (Checkpoint(first - 1, 1), last)})


async def test_events_folded_while_a_batch_is_written_form_the_next_batch() -> None:
    writer = Writer()
    events = Backlog(LIVE.working_set(), writer)
    for position in (1, 2, 3):
        events.add(fold(position, position))
        await writer.started.wait()
    assert (writer.sizes, len(events), events.durable) == ([1], 2, 0)
    writer.allowed.set()
    await events.drain()
    assert writer.sizes == [1, 2]
    assert writer.written[1].moves == {0: (Checkpoint(1, 1), 3)}
    assert events.durable == events.folded == 3


async def test_no_batch_begins_while_events_are_folded() -> None:
    writer = Writer()
    events = Backlog(LIVE.working_set(), writer)
    events.add(fold(1, 1))
    events.add(fold(2, 2))
    events.pause()
    writer.allowed.set()
    writing = events.writing
    assert writing is not None
    await writing
    assert (writer.sizes, len(events)) == ([1], 1)
    events.resume()
    await events.drain()
    assert writer.sizes == [1, 1]


async def test_folding_waits_while_too_many_events_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "GATHER_EVENTS", 2)
    writer = Writer()
    events = Backlog(LIVE.working_set(), writer)
    for position in (1, 2, 3):
        await events.wait_for_room()
        events.add(fold(position, position))
    waiting = asyncio.create_task(events.wait_for_room())
    done, _ = await asyncio.wait({waiting}, timeout=0.05)
    assert not done
    writer.allowed.set()
    await waiting
    await events.drain()


async def test_after_a_failed_write_all_events_that_are_not_durable_return_in_order() -> None:
    writer = Writer()
    writer.fails = True
    events = Backlog(LIVE.working_set(), writer)
    events.add(fold(1, 2))
    events.add(fold(3, 5))
    writer.allowed.set()
    with pytest.raises(ValueError, match="cannot store"):
        await events.drain()
    lost = events.withdraw()
    assert lost is not None
    assert [recorded.position for recorded in lost.recorded_events] == [1, 2, 3, 4, 5]
    assert lost.moves == {0: (Checkpoint(0, 1), 5)}
    assert (writer.sizes, events.durable) == ([2], 0)
    assert events.withdraw() is None
