"""Merged leads: the winner's history is the score of one person who did what both did."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.engagements import EngagementRecorded, EngagementType, ScoreDue
from events.event import Event
from events.leads import LeadCaptured, LeadMerged, LeadUnmerged
from events.record import RecordedEvent
from events.tours import TourNoShowCorrected, TourNoShowRecorded, TourStatus
from projections import scores
from projections.engine.working_set import Poison, Work
from tests.projections.scoring.plan import AGES, EPOCH, TICK, WEIGHTS, Lead, plan
from tests.projections.scoring.test_history import COLUMNS, HOUSE

ADA, EVE, MAY = uuid4(), uuid4(), uuid4()
NAMED: dict[UUID, dict[str, Any]] = {
    ADA: {"email": "ada@example.com"},
    EVE: {"first_name": "Eve"},
    MAY: {},
}
SOURCES = {ADA: "Google", EVE: "referral", MAY: None}
DAY = timedelta(days=1)
WHO = st.sampled_from([ADA, EVE, MAY])

happenings = st.lists(
    st.tuples(st.sampled_from(["engaged", "engaged", "timer", "merge", "unmerge"]), WHO, WHO,
              AGES, WEIGHTS),
    max_size=16,
)  # fmt: skip


def recorded(event: Event, at: datetime) -> RecordedEvent:
    return RecordedEvent(
        uuid4(), event, event.stream, event.stream_id, 1, 0, 0, 0, HOUSE, HOUSE, event.lead, at, at,
        "test", "live", None, None,
    )  # fmt: skip


def captured(lead_id: UUID, at: datetime = EPOCH) -> RecordedEvent:
    said = {"lead_id": lead_id, "source": SOURCES[lead_id], "captured_by": HOUSE}
    return recorded(LeadCaptured.model_validate(said | NAMED[lead_id]), at)


def engaged(lead_id: UUID, weight: int, at: datetime) -> RecordedEvent:
    event = EngagementRecorded(
        engagement_id=uuid4(), lead_id=lead_id, event_type=EngagementType.PRICE_CHECK,
        score_weight=weight,
    )  # fmt: skip
    return recorded(event, at)


def due(lead_id: UUID, at: datetime) -> RecordedEvent:
    return recorded(ScoreDue(lead_id=lead_id, due_at=at), at)


def merged(loser: UUID, winner: UUID, at: datetime) -> RecordedEvent:
    return recorded(LeadMerged(loser_id=loser, winner_id=winner), at)


def unmerged(loser: UUID, winner: UUID, at: datetime) -> RecordedEvent:
    return recorded(LeadUnmerged(loser_id=loser, winner_id=winner), at)


def rows_of(inputs: list[RecordedEvent], batch: int = 100) -> list[dict[str, Any]]:
    """The rows of `lead_scores`, folded in batches that load what is followed and no more."""
    table, state = scores.projection.table, scores.projection.state
    assert state is not None
    rows: list[dict[str, Any]] = []
    kept: dict[UUID, dict[str, Any]] = {}
    for start in range(0, len(inputs), batch):
        work = Work([scores.projection])
        held = work.rows[state]
        part = inputs[start : start + batch]
        keys = work.wanted(part).get(state, [])
        while keys:
            held.load(keys, kept)
            keys = held.missing(state.followed(kept.get(key) for key in keys))
        work.fold(part)
        for lead_id in (ADA, EVE, MAY):
            if not held.missing({lead_id.int: lead_id}) and (row := held.get(lead_id)):
                kept[lead_id] = dict(row)
        rows += [dict(zip(table.columns, row, strict=True)) for row in work.take()[table].inserted]
    return rows


def scores_of(rows: list[dict[str, Any]], lead_id: UUID, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in columns) for row in rows if row["lead_id"] == lead_id]


class Told:
    """What happened to three leads, folded time included, and what the plan says of it."""

    def __init__(self, happened: list[tuple[str, UUID, UUID, timedelta, int]]) -> None:
        self.inputs = [captured(lead_id) for lead_id in NAMED]
        self.into: dict[UUID, UUID] = {}
        self.engagements: dict[UUID, list[tuple[datetime, int]]] = {one: [] for one in NAMED}
        self.now = EPOCH
        self.looks: list[tuple[datetime, UUID, Lead | None]] = []
        self._look()
        for what, who, other, gap, weight in happened:
            self.now += gap
            self._learn(what, who, other, weight)
            self._look()
        self.inputs += [due(lead_id, self.now + 400 * DAY) for lead_id in NAMED]

    def _learn(self, what: str, who: UUID, other: UUID, weight: int) -> None:
        match what:
            case "engaged":
                self.engagements[who].append((self.now, weight))
                self.inputs.append(engaged(who, weight, self.now))
            case "timer":
                self.inputs.append(due(who, self.now))
            case "merge" if who not in self.into and self.top(other) != who:
                self.into[who] = self.top(other)
                self.inputs.append(merged(who, self.into[who], self.now))
            case "unmerge" if who in self.into:
                self.inputs.append(unmerged(who, self.into.pop(who), self.now))

    def top(self, lead_id: UUID) -> UUID:
        while lead_id in self.into:
            lead_id = self.into[lead_id]
        return lead_id

    def _look(self) -> None:
        """What every lead is from now on; None where it stands for another."""
        for lead_id, named in NAMED.items():
            if lead_id in self.into:
                self.looks.append((self.now, lead_id, None))
                continue
            both = [
                each for one in NAMED if self.top(one) == lead_id for each in self.engagements[one]
            ]
            known = Lead(source=SOURCES[lead_id], engagements=both, **named)
            self.looks.append((self.now, lead_id, known))

    def wanted(self, lead_id: UUID, at: datetime) -> Any:
        """What the plan says; None while the lead stands for another."""
        told = max((when for when, _, _ in self.looks if when <= at))
        known = [lead for when, one, lead in self.looks if (when, one) == (told, lead_id)]
        return plan(known[-1], at) if known[-1] else None

    def instants(self) -> set[datetime]:
        found = {when for when, _, _ in self.looks}
        found |= {at for _, _, lead in self.looks if lead for at in lead.candidates()}
        near = {at + step for at in found for step in (-TICK, timedelta(), TICK)}
        return {at for at in near if EPOCH <= at <= self.now + 400 * DAY}


@settings(max_examples=300, deadline=None)
@given(happenings, st.integers(1, 5))
def test_the_newest_row_at_any_instant_is_the_score_of_the_whole_person(
    happened: list[tuple[str, UUID, UUID, timedelta, int]], batch: int
) -> None:
    told = Told(happened)
    rows = rows_of(told.inputs, batch)
    for lead_id in NAMED:
        history = [row for row in rows if row["lead_id"] == lead_id]
        assert [row["revision"] for row in history] == [n + 1 for n in range(len(history))]
        assert [row["scored_at"] for row in history] == sorted(r["scored_at"] for r in history)
        for at in told.instants():
            if (wanted := told.wanted(lead_id, at)) is not None:
                newest = [row for row in history if row["scored_at"] <= at][-1]
                assert tuple(newest[column] for column in COLUMNS) == wanted, at


def test_who_it_is_comes_from_the_winner_and_what_it_did_from_both() -> None:
    inputs = [
        captured(ADA), captured(EVE, EPOCH + DAY), engaged(EVE, 20, EPOCH + DAY),
        merged(EVE, ADA, EPOCH + DAY), engaged(EVE, 5, EPOCH + DAY),
    ]  # fmt: skip
    rows = rows_of(inputs)
    assert scores_of(rows, ADA, "completeness_score", "source_score", "timing_score",
                     "engagement_score") == [
        (8, 12, 15, 0), (8, 12, 12, 0), (8, 12, 12, 20), (8, 12, 12, 25),
    ]  # fmt: skip
    assert len(scores_of(rows, EVE, "revision")) == 2, "its history ends with the merge"


def test_unmerging_scores_both_anew_with_what_each_did() -> None:
    later = EPOCH + DAY - TICK
    inputs = [
        captured(ADA), captured(EVE), merged(EVE, ADA, EPOCH), engaged(EVE, 20, EPOCH),
        engaged(ADA, 3, EPOCH), unmerged(EVE, ADA, later),
    ]  # fmt: skip
    rows = rows_of(inputs, 2)
    assert scores_of(rows, ADA, "engagement_score", "scored_at")[-2:] == [(23, EPOCH), (3, later)]
    assert scores_of(rows, EVE, "engagement_score", "scored_at") == [(0, EPOCH), (20, later)]


def test_a_no_show_of_the_loser_counts_until_it_was_none() -> None:
    tour = uuid4()
    missed = TourNoShowRecorded(tour_id=tour, lead_id=EVE)
    corrected = TourNoShowCorrected(tour_id=tour, lead_id=EVE, status=TourStatus.COMPLETED)
    inputs = [
        captured(ADA), captured(EVE), merged(EVE, ADA, EPOCH), recorded(missed, EPOCH),
        recorded(corrected, EPOCH),
    ]  # fmt: skip
    assert scores_of(rows_of(inputs, 1), ADA, "behavior_score", "engagement_score") == [
        (0, 0), (-5, -25), (10, 0),
    ]  # fmt: skip


def test_a_loser_has_no_next_change_and_its_winner_has_that_of_both() -> None:
    state = scores.projection.state
    assert state is not None
    work = Work([scores.projection])
    inputs = [
        captured(ADA),
        captured(EVE),
        engaged(EVE, 20, EPOCH - 29 * DAY),
        merged(EVE, ADA, EPOCH),
    ]
    for table, keys in work.wanted(inputs).items():
        work.rows[table].load(keys, {})
    work.fold(inputs)
    winner, loser = work.rows[state].get(ADA), work.rows[state].get(EVE)
    assert winner is not None
    assert loser is not None
    assert (winner["next_change_at"], loser["next_change_at"]) == (EPOCH + DAY, None)
    assert (winner["merged"], loser["merged_into"]) == ([str(EVE)], ADA)


@pytest.mark.parametrize(
    "wrong",
    [
        [merged(EVE, ADA, EPOCH), merged(EVE, MAY, EPOCH)],
        [merged(EVE, ADA, EPOCH), merged(ADA, EVE, EPOCH)],
        [merged(EVE, ADA, EPOCH), merged(ADA, MAY, EPOCH), merged(MAY, EVE, EPOCH)],
        [merged(ADA, ADA, EPOCH)],
        [unmerged(EVE, ADA, EPOCH)],
        [merged(EVE, ADA, EPOCH), unmerged(EVE, MAY, EPOCH)],
        [merged(uuid4(), ADA, EPOCH)],
    ],
    ids=["twice", "back", "a circle", "itself", "not merged", "of another", "a stranger"],
)
def test_what_no_decision_allows_is_parked(wrong: list[RecordedEvent]) -> None:
    with pytest.raises(Poison):
        rows_of([captured(ADA), captured(EVE), captured(MAY), *wrong])
