"""Mutation tests: the replay determinism tests find projectors and engines that break a rule."""

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
from tests.replay_determinism.delivery import FROM_LOG, ActionKind, DeliveryAction, DeliveryPlan
from tests.replay_determinism.property import HistoryStep
from tests.replay_determinism.test_poison import assert_independent_of_delivery
from tests.replay_determinism.test_replay_determinism import assert_replay_determinism

HISTORY = [
    HistoryStep("add_lead", 0, 2, 1, 2),
    HistoryStep("update_lead", 0, 0, 3, 2),
    HistoryStep("change_lead", 0, 0, 2, 2),
    HistoryStep("update_lead", 0, 0, 0, 2),
    HistoryStep("change_lead", 0, 0, 2, 2),
    HistoryStep("update_lead", 0, 0, 3, 2),
]  # fmt: skip
REDELIVERY = DeliveryPlan(
    [
        DeliveryAction(ActionKind.RECEIVE, 0, 100),
        DeliveryAction(ActionKind.APPLY),
        DeliveryAction(ActionKind.REREAD, 0, 100),
        DeliveryAction(ActionKind.RECEIVE, 0, 100),
    ]
)
Mutation = Callable[[pytest.MonkeyPatch], None]


def _set_notes(
    monkeypatch: pytest.MonkeyPatch, projection: Any, kind: type, change: Callable[[], Any]
) -> None:
    """After the projector, set the notes of the row to a value that is not from the event."""
    projectors: dict[Any, Any] = projection.projectors
    original = projectors[kind]

    def projector(tables: Tables, recorded: RecordedEvent, event: Any) -> None:
        original(tables, recorded, event)
        tables.rows.update(event.lead_id, notes=str(change()))

    monkeypatch.setitem(projectors, kind, projector)


def a_projector_that_reads_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    _set_notes(monkeypatch, leads.projection, LeadUpdated, lambda: datetime.now(UTC))


def a_projector_with_a_state_outside_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    counter = count()
    _set_notes(monkeypatch, leads.projection, LeadUpdated, lambda: next(counter))


def a_projector_with_random_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    projectors: dict[Any, Any] = activities.projection.projectors
    original = projectors[LeadNoted]

    def projector(tables: Tables, recorded: RecordedEvent, event: Any) -> None:
        original(tables, recorded._replace(id=uuid4()), event)

    monkeypatch.setitem(projectors, LeadNoted, projector)


def an_engine_that_applies_a_record_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_new(_: Engine, record: Any, reached: dict[int, int]) -> bool:
        reached[record.shard] = record.previous
        return True

    monkeypatch.setattr(Engine, "_is_new", is_new)


@pytest.mark.parametrize(
    "mutation",
    [
        None, a_projector_that_reads_the_clock, a_projector_with_a_state_outside_its_rows,
        a_projector_with_random_ids, an_engine_that_applies_a_record_twice,
    ],
)  # fmt: skip
async def test_a_broken_rule_is_found(
    pool: asyncpg.Pool,
    owner_pool: asyncpg.Pool,
    monkeypatch: pytest.MonkeyPatch,
    mutation: Mutation | None,
) -> None:
    if mutation is None:
        await assert_replay_determinism(pool, owner_pool, monkeypatch, HISTORY, REDELIVERY)
        return
    mutation(monkeypatch)
    with pytest.raises(AssertionError):
        await assert_replay_determinism(pool, owner_pool, monkeypatch, HISTORY, REDELIVERY)


POISONED = [
    HistoryStep("add_lead", 0, 2, 1, 2), HistoryStep("tour_by_unknown_profile", 0, 0, 1, 2),
    HistoryStep("add_engagement", 0, 0, 2, 5),
    HistoryStep("change_lead", 0, 0, 2, 5),
    HistoryStep("book_tour", 0, 0, 1, 5),
]  # fmt: skip


@pytest.mark.parametrize("protected", [True, False])
async def test_an_engine_that_does_not_park_later_events_is_found(
    pool: asyncpg.Pool, owner_pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, protected: bool
) -> None:
    ways = [(FROM_LOG, 3), (DeliveryPlan(rest=1), 3)]
    if protected:
        await assert_independent_of_delivery(pool, owner_pool, monkeypatch, POISONED, ways)
        return
    monkeypatch.setattr(parked, "is_blocked", lambda _recorded, _parked: False)
    with pytest.raises(AssertionError):
        await assert_independent_of_delivery(pool, owner_pool, monkeypatch, POISONED, ways)
