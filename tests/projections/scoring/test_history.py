"""The score history: the newest row at any instant is the score as of that instant."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from events.engagements import EngagementRecorded, EngagementType
from events.event import Event
from events.leads import LeadCaptured, LeadUpdated
from events.record import RecordedEvent
from events.scores import ScoreDue
from events.tours import TourNoShowRecorded
from projections import scores
from projections.engine.working_set import WorkingSet
from tests.projections.given import RECORDING_DELAY
from tests.projections.scoring.plan import (
    AGES,
    EPOCH,
    SOURCE_TEXTS,
    TICK,
    WEIGHTS,
    Lead,
    PlanScore,
    plan,
)

LEAD, TOUR, PROPERTY = uuid4(), uuid4(), uuid4()
LATE = timedelta(days=400)
COLUMNS = ("total_score", "engagement_score", "timing_score", "source_score",
           "completeness_score", "behavior_score", "score_bucket")  # fmt: skip

engagement = st.tuples(st.just("engagement"), AGES, WEIGHTS)
backdated = st.tuples(st.just("backdated"), AGES, WEIGHTS)
source_change = st.tuples(st.just("source_change"), AGES, SOURCE_TEXTS)
no_show = st.tuples(st.just("no_show"), AGES, st.none())
timer = st.tuples(st.just("timer"), AGES, st.none())
occurrences = st.lists(
    st.one_of(engagement, engagement, backdated, source_change, no_show, timer), max_size=12
)


class History:
    """One lead as events to fold, and as the values that the plan's formula uses."""

    def __init__(self, occurrences: list[tuple[str, timedelta, Any]]) -> None:
        self.lead = Lead(email="a@example.com")
        self.versions: list[tuple[datetime, Lead]] = [(EPOCH, self._copy())]
        self.inputs = [
            _recorded(LeadCaptured(lead_id=LEAD, email="a@example.com", captured_by=TOUR), EPOCH)
        ]
        now = EPOCH
        for kind, gap, value in occurrences:
            at = now - gap if kind == "backdated" else now + gap
            if kind in ("source_change", "no_show") and gap > timedelta(days=30):
                at = now
            if event := self._apply(kind, at, value):
                now = max(now, at)
                self.inputs.append(_recorded(event, at))
                self.versions.append((now, self._copy()))
        self.inputs.append(_recorded(ScoreDue(lead_id=LEAD, due_at=now), now + LATE))

    def _apply(self, kind: str, at: datetime, value: Any) -> Event | None:
        match kind:
            case "engagement" | "backdated":
                self.lead.engagements.append((at, value))
                return EngagementRecorded(
                    engagement_id=uuid4(), lead_id=LEAD, score_weight=value,
                    event_type=EngagementType.PRICE_CHECK,
                )  # fmt: skip
            case "source_change":
                self.lead.source = value
                return LeadUpdated(lead_id=LEAD, source=value)
            case "no_show" if not self.lead.tours:
                self.lead.tours["t"] = "no_show"
                self.lead.engagements.append((at, -25))
                return TourNoShowRecorded(tour_id=TOUR, lead_id=LEAD)
            case "timer":
                return ScoreDue(lead_id=LEAD, due_at=at)
        return None

    def _copy(self) -> Lead:
        lead = self.lead
        return Lead(
            source=lead.source, email=lead.email, engagements=[*lead.engagements],
            tours={**lead.tours},
        )  # fmt: skip

    def as_of(self, at: datetime) -> PlanScore:
        """Return the plan's score at `at`, from the values known then."""
        return plan([lead for since, lead in self.versions if since <= at][-1], at)

    def instants(self) -> set[datetime]:
        """Return every instant of a possible change, and the instants next to it."""
        changes = {since for since, _ in self.versions} | self.lead.candidates()
        near = {at + step for at in changes for step in (-TICK, timedelta(), TICK)}
        return {at for at in near if EPOCH <= at <= self.versions[-1][0] + LATE}


def rows_of(inputs: list[RecordedEvent], batch: int) -> list[dict[str, Any]]:
    """Return the rows of `lead_scores`, folded in batches with an empty memory between them."""
    table, state = scores.projection.table, scores.projection.state
    assert state is not None
    rows: list[dict[str, Any]] = []
    stored: dict[UUID, dict[str, Any]] = {}
    for start in range(0, len(inputs), batch):
        work = WorkingSet([scores.projection])
        part = inputs[start : start + batch]
        for loaded_table, keys in work.missing_keys(part).items():
            work.rows[loaded_table].load(keys, stored if loaded_table is state else {})
        work.fold(part)
        stored = {LEAD: dict(work.rows[state].get(LEAD) or {})}
        rows += [
            dict(zip(table.columns, row, strict=True))
            for row in work.take_changes()[table].inserted
        ]
    return rows


@settings(max_examples=1_000, deadline=None)
@given(occurrences, st.integers(1, 5))
def test_the_newest_row_at_any_instant_is_the_score_of_that_instant(
    occurrences: list[tuple[str, timedelta, Any]], batch: int
) -> None:
    history = History(occurrences)
    rows = rows_of(history.inputs, batch)
    for at in history.instants():
        newest = [row for row in rows if row["scored_at"] <= at][-1]
        assert tuple(newest[column] for column in COLUMNS) == history.as_of(at), at


@settings(max_examples=300, deadline=None)
@given(occurrences)
def test_a_late_timer_changes_no_row(
    occurrences: list[tuple[str, timedelta, Any]],
) -> None:
    in_order = [entry for entry in occurrences if entry[0] != "backdated"]
    history = History(in_order)
    without_timers = [r for r in history.inputs[:-1] if not isinstance(r.event, ScoreDue)]
    assert rows_of([*without_timers, history.inputs[-1]], 3) == rows_of(history.inputs, 2)


def _recorded(event: Event, at: datetime) -> RecordedEvent:
    return RecordedEvent(
        uuid4(), event, event.stream, event.stream_id, 1, 0, 0, 0, PROPERTY, PROPERTY, LEAD, at,
        at + RECORDING_DELAY, "test", "live", None, None,
    )  # fmt: skip
