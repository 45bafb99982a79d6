"""The law has teeth: a projector or an engine that breaks a rule of the house is caught by it."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from events.leads import LeadNoted, LeadUpdated
from events.record import RecordedEvent
from projections import activities, leads
from projections.engine import parked
from projections.engine.live import Engine
from projections.engine.projection import Tables
from tests.replay_determinism.delivery import FROM_LOG, Act, Op, Plan
from tests.replay_determinism.property import Step
from tests.replay_determinism.test_poison import stay_the_same
from tests.replay_determinism.test_replay_determinism import hold

HISTORY = [
    Step("arrive", 0, 2, 1, 2), Step("update", 0, 0, 3, 2), Step("move", 0, 0, 2, 2),
    Step("update", 0, 0, 0, 2), Step("move", 0, 0, 2, 2), Step("update", 0, 0, 3, 2),
]  # fmt: skip
TWICE = Plan([Act(Op.TAKE, 0, 100), Act(Op.CUT), Act(Op.AGAIN, 0, 100), Act(Op.TAKE, 0, 100)])
Breaking = Callable[[pytest.MonkeyPatch], None]


def _instead(
    monkeypatch: pytest.MonkeyPatch, projection: Any, kind: type, change: Callable[[], Any]
) -> None:
    """After the projector's own handler, set the row's text to something of no fact."""
    handlers: dict[Any, Any] = projection.handlers
    plain = handlers[kind]

    def handler(tables: Tables, recorded: RecordedEvent, event: Any) -> None:
        plain(tables, recorded, event)
        tables.rows.update(event.lead_id, notes=str(change()))

    monkeypatch.setitem(handlers, kind, handler)


def a_projector_that_reads_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    _instead(monkeypatch, leads.projection, LeadUpdated, lambda: datetime.now(UTC))


def a_projector_that_remembers_outside_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = count()
    _instead(monkeypatch, leads.projection, LeadUpdated, lambda: next(seen))


def a_projector_that_makes_up_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: dict[Any, Any] = activities.projection.handlers
    plain = handlers[LeadNoted]

    def handler(tables: Tables, recorded: RecordedEvent, event: Any) -> None:
        plain(tables, recorded._replace(id=uuid4()), event)

    monkeypatch.setitem(handlers, LeadNoted, handler)


def an_engine_that_takes_a_record_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_new(_: Engine, came: Any, reached: dict[int, int]) -> bool:
        reached[came.shard] = came.previous
        return True

    monkeypatch.setattr(Engine, "_is_new", is_new)


@pytest.mark.parametrize(
    "breaking",
    [
        None, a_projector_that_reads_the_clock, a_projector_that_remembers_outside_its_rows,
        a_projector_that_makes_up_ids, an_engine_that_takes_a_record_twice,
    ],
)  # fmt: skip
async def test_whoever_breaks_the_law_is_caught(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, breaking: Breaking | None
) -> None:
    if breaking is None:
        await hold(pool, monkeypatch, HISTORY, TWICE)
        return
    breaking(monkeypatch)
    with pytest.raises(AssertionError):
        await hold(pool, monkeypatch, HISTORY, TWICE)


POISONED = [
    Step("arrive", 0, 2, 1, 2), Step("a_tour_by_a_stranger", 0, 0, 1, 2),
    Step("engage", 0, 0, 2, 5), Step("move", 0, 0, 2, 5), Step("book", 0, 0, 1, 5),
]  # fmt: skip


@pytest.mark.parametrize("protected", [True, False])
async def test_what_does_not_wait_behind_the_poison_before_it_is_caught(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    ways = [(FROM_LOG, 3), (Plan(rest=1), 3)]
    if protected:
        await stay_the_same(pool, monkeypatch, POISONED, ways)
        return
    monkeypatch.setattr(parked, "waits_for", lambda _recorded, _parked: False)
    with pytest.raises(AssertionError):
        await stay_the_same(pool, monkeypatch, POISONED, ways)
