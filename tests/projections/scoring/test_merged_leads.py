"""Merged leads: the score of the winner counts the engagements of all merged leads."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.engagements import EngagementRecorded, EngagementType
from events.event import Event
from events.leads import LeadCaptured
from events.merges import LeadMerged, LeadUnmerged
from events.record import RecordedEvent
from events.scores import ScoreDue
from events.tours import TourNoShowCorrected, TourNoShowRecorded, TourStatus
from projections import scores
from projections.engine.working_set import PoisonEvent, WorkingSet
from tests.projections.given import RECORDING_DELAY
from tests.projections.scoring.plan import AGES, EPOCH, TICK, WEIGHTS, Lead, plan
from tests.projections.scoring.test_history import COLUMNS, PROPERTY

ADA, EVE, MAY = uuid4(), uuid4(), uuid4()
CONTACT_DETAILS: dict[UUID, dict[str, Any]] = {
    ADA: {"email": "ada@example.com"},
    EVE: {"first_name": "Eve"},
    MAY: {},
}
SOURCES = {ADA: "Google", EVE: "referral", MAY: None}
DAY = timedelta(days=1)
WHO = st.sampled_from([ADA, EVE, MAY])

occurrences = st.lists(
    st.tuples(st.sampled_from(["engagement", "engagement", "timer", "merge", "unmerge"]), WHO, WHO,
              AGES, WEIGHTS),
    max_size=16,
)  # fmt: skip


def record(event: Event, at: datetime) -> RecordedEvent:
    return RecordedEvent(
        uuid4(), event, event.stream, event.stream_id, 1, 0, 0, 0, PROPERTY, PROPERTY,
        event.lead, at, at + RECORDING_DELAY, "test", "live", None, None,
    )  # fmt: skip


def capture(lead_id: UUID, at: datetime = EPOCH) -> RecordedEvent:
    fields = {"lead_id": lead_id, "source": SOURCES[lead_id], "captured_by": PROPERTY}
    return record(LeadCaptured.model_validate(fields | CONTACT_DETAILS[lead_id]), at)


def engage(lead_id: UUID, weight: int, at: datetime) -> RecordedEvent:
    event = EngagementRecorded(
        engagement_id=uuid4(), lead_id=lead_id, event_type=EngagementType.PRICE_CHECK,
        score_weight=weight,
    )  # fmt: skip
    return record(event, at)


def due(lead_id: UUID, at: datetime) -> RecordedEvent:
    return record(ScoreDue(lead_id=lead_id, due_at=at), at)


def merge(loser: UUID, winner: UUID, at: datetime) -> RecordedEvent:
    return record(LeadMerged(loser_id=loser, winner_id=winner), at)


def unmerge(loser: UUID, winner: UUID, at: datetime) -> RecordedEvent:
    return record(LeadUnmerged(loser_id=loser, winner_id=winner), at)


def rows_of(inputs: list[RecordedEvent], batch: int = 100) -> list[dict[str, Any]]:
    """Return the rows of `lead_scores`, folded in batches that load the followed rows only."""
    table, state = scores.projection.table, scores.projection.state
    assert state is not None
    rows: list[dict[str, Any]] = []
    stored: dict[UUID, dict[str, Any]] = {}
    for start in range(0, len(inputs), batch):
        work = WorkingSet([scores.projection])
        state_rows = work.rows[state]
        part = inputs[start : start + batch]
        keys = work.missing_keys(part).get(state, [])
        while keys:
            state_rows.load(keys, stored)
            keys = state_rows.missing_keys(state.followed_keys(stored.get(key) for key in keys))
        work.fold(part)
        for lead_id in (ADA, EVE, MAY):
            if not state_rows.missing_keys({lead_id.int: lead_id}) and (
                row := state_rows.get(lead_id)
            ):
                stored[lead_id] = dict(row)
        rows += [
            dict(zip(table.columns, row, strict=True))
            for row in work.take_changes()[table].inserted
        ]
    return rows


def scores_of(rows: list[dict[str, Any]], lead_id: UUID, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in columns) for row in rows if row["lead_id"] == lead_id]


class MergeHistory:
    """Three leads as events to fold, and the score of each according to the plan."""

    def __init__(self, occurrences: list[tuple[str, UUID, UUID, timedelta, int]]) -> None:
        self.inputs = [capture(lead_id) for lead_id in CONTACT_DETAILS]
        self.into: dict[UUID, UUID] = {}
        self.engagements: dict[UUID, list[tuple[datetime, int]]] = {
            lead_id: [] for lead_id in CONTACT_DETAILS
        }
        self.now = EPOCH
        self.versions: list[tuple[datetime, UUID, Lead | None]] = []
        self._add_versions()
        for kind, lead_id, other, gap, weight in occurrences:
            self.now += gap
            self._apply(kind, lead_id, other, weight)
            self._add_versions()
        self.inputs += [due(lead_id, self.now + 400 * DAY) for lead_id in CONTACT_DETAILS]

    def _apply(self, kind: str, lead_id: UUID, other: UUID, weight: int) -> None:
        match kind:
            case "engagement":
                self.engagements[lead_id].append((self.now, weight))
                self.inputs.append(engage(lead_id, weight, self.now))
            case "timer":
                self.inputs.append(due(lead_id, self.now))
            case "merge" if lead_id not in self.into and self.top(other) != lead_id:
                self.into[lead_id] = self.top(other)
                self.inputs.append(merge(lead_id, self.into[lead_id], self.now))
            case "unmerge" if lead_id in self.into:
                self.inputs.append(unmerge(lead_id, self.into.pop(lead_id), self.now))

    def top(self, lead_id: UUID) -> UUID:
        while lead_id in self.into:
            lead_id = self.into[lead_id]
        return lead_id

    def _add_versions(self) -> None:
        """Add the values of every lead from now on; None for a merged lead."""
        for lead_id, details in CONTACT_DETAILS.items():
            if lead_id in self.into:
                self.versions.append((self.now, lead_id, None))
                continue
            engagements = [
                engagement
                for merged_id in CONTACT_DETAILS
                if self.top(merged_id) == lead_id
                for engagement in self.engagements[merged_id]
            ]
            lead = Lead(source=SOURCES[lead_id], engagements=engagements, **details)
            self.versions.append((self.now, lead_id, lead))

    def expected_score(self, lead_id: UUID, at: datetime) -> Any:
        """Return the plan's score; None for a merged lead."""
        newest = max(since for since, _, _ in self.versions if since <= at)
        leads = [
            lead
            for since, version_id, lead in self.versions
            if (since, version_id) == (newest, lead_id)
        ]
        return plan(leads[-1], at) if leads[-1] else None

    def instants(self) -> set[datetime]:
        changes = {since for since, _, _ in self.versions}
        changes |= {at for _, _, lead in self.versions if lead for at in lead.candidates()}
        near = {at + step for at in changes for step in (-TICK, timedelta(), TICK)}
        return {at for at in near if EPOCH <= at <= self.now + 400 * DAY}


@settings(max_examples=300, deadline=None)
@given(occurrences, st.integers(1, 5))
def test_the_newest_row_at_any_instant_is_the_score_of_all_merged_leads(
    occurrences: list[tuple[str, UUID, UUID, timedelta, int]], batch: int
) -> None:
    history = MergeHistory(occurrences)
    rows = rows_of(history.inputs, batch)
    for lead_id in CONTACT_DETAILS:
        lead_rows = [row for row in rows if row["lead_id"] == lead_id]
        assert [row["revision"] for row in lead_rows] == [*range(1, len(lead_rows) + 1)]
        assert [row["scored_at"] for row in lead_rows] == sorted(
            row["scored_at"] for row in lead_rows
        )
        for at in history.instants():
            if (expected := history.expected_score(lead_id, at)) is not None:
                newest = [row for row in lead_rows if row["scored_at"] <= at][-1]
                assert tuple(newest[column] for column in COLUMNS) == expected, at


def test_contact_details_of_the_winner_and_engagements_of_both_leads_count() -> None:
    inputs = [
        capture(ADA), capture(EVE, EPOCH + DAY), engage(EVE, 20, EPOCH + DAY),
        merge(EVE, ADA, EPOCH + DAY), engage(EVE, 5, EPOCH + DAY),
    ]  # fmt: skip
    rows = rows_of(inputs)
    assert scores_of(rows, ADA, "completeness_score", "source_score", "timing_score",
                     "engagement_score") == [
        (8, 12, 15, 0), (8, 12, 12, 0), (8, 12, 12, 20), (8, 12, 12, 25),
    ]  # fmt: skip
    assert len(scores_of(rows, EVE, "revision")) == 2, (
        "the history of the loser must end with the merge"
    )


def test_an_unmerge_scores_each_lead_with_its_own_engagements() -> None:
    later = EPOCH + DAY - TICK
    inputs = [
        capture(ADA), capture(EVE), merge(EVE, ADA, EPOCH), engage(EVE, 20, EPOCH),
        engage(ADA, 3, EPOCH), unmerge(EVE, ADA, later),
    ]  # fmt: skip
    rows = rows_of(inputs, 2)
    assert scores_of(rows, ADA, "engagement_score", "scored_at")[-2:] == [(23, EPOCH), (3, later)]
    assert scores_of(rows, EVE, "engagement_score", "scored_at") == [(0, EPOCH), (20, later)]


def test_a_no_show_of_the_loser_counts_until_it_is_corrected() -> None:
    tour = uuid4()
    no_show = TourNoShowRecorded(tour_id=tour, lead_id=EVE)
    corrected = TourNoShowCorrected(tour_id=tour, lead_id=EVE, status=TourStatus.COMPLETED)
    inputs = [
        capture(ADA), capture(EVE), merge(EVE, ADA, EPOCH), record(no_show, EPOCH),
        record(corrected, EPOCH),
    ]  # fmt: skip
    assert scores_of(rows_of(inputs, 1), ADA, "behavior_score", "engagement_score") == [
        (0, 0), (-5, -25), (10, 0),
    ]  # fmt: skip


def test_only_the_winner_has_a_next_change_time() -> None:
    state = scores.projection.state
    assert state is not None
    work = WorkingSet([scores.projection])
    inputs = [
        capture(ADA),
        capture(EVE),
        engage(EVE, 20, EPOCH - 29 * DAY),
        merge(EVE, ADA, EPOCH),
    ]
    for table, keys in work.missing_keys(inputs).items():
        work.rows[table].load(keys, {})
    work.fold(inputs)
    winner, loser = work.rows[state].get(ADA), work.rows[state].get(EVE)
    assert winner is not None
    assert loser is not None
    assert (winner["next_change_at"], loser["next_change_at"]) == (EPOCH + DAY, None)
    assert (winner["merged"], loser["merged_into"]) == ([str(EVE)], ADA)


@pytest.mark.parametrize(
    "events",
    [
        [merge(EVE, ADA, EPOCH), merge(EVE, MAY, EPOCH)],
        [merge(EVE, ADA, EPOCH), merge(ADA, EVE, EPOCH)],
        [merge(EVE, ADA, EPOCH), merge(ADA, MAY, EPOCH), merge(MAY, EVE, EPOCH)],
        [merge(ADA, ADA, EPOCH)],
        [unmerge(EVE, ADA, EPOCH)],
        [merge(EVE, ADA, EPOCH), unmerge(EVE, MAY, EPOCH)],
        [merge(uuid4(), ADA, EPOCH)],
    ],
    ids=["twice", "back", "a circle", "itself", "not merged", "another winner", "missing lead"],
)
def test_an_impossible_merge_is_a_poison_event(events: list[RecordedEvent]) -> None:
    with pytest.raises(PoisonEvent):
        rows_of([capture(ADA), capture(EVE), capture(MAY), *events])
