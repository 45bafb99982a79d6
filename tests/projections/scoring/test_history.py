"""`lead_scores` as history: the newest row at any instant is the score as of that instant."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from events.engagements import EngagementRecorded, EngagementType, ScoreDue
from events.event import Event
from events.leads import LeadCaptured, LeadUpdated
from events.record import RecordedEvent
from events.tours import TourNoShowRecorded
from projections import scores
from projections.engine.working_set import Work
from tests.projections.scoring.plan import AGES, EPOCH, SAID, TICK, WEIGHTS, Lead, Wanted, plan

LEAD, TOUR, HOUSE = uuid4(), uuid4(), uuid4()
FAR = timedelta(days=400)
COLUMNS = ("total_score", "engagement_score", "timing_score", "source_score",
           "completeness_score", "behavior_score", "score_bucket")  # fmt: skip

engaged = st.tuples(st.just("engaged"), AGES, WEIGHTS)
backdated = st.tuples(st.just("backdated"), AGES, WEIGHTS)
renamed = st.tuples(st.just("renamed"), AGES, SAID)
missed = st.tuples(st.just("missed"), AGES, st.none())
timer = st.tuples(st.just("timer"), AGES, st.none())
happenings = st.lists(st.one_of(engaged, engaged, backdated, renamed, missed, timer), max_size=12)


class History:
    """One lead's facts as events to fold, and as the plan would look at them."""

    def __init__(self, happened: list[tuple[str, timedelta, Any]]) -> None:
        self.lead = Lead(email="a@example.com")
        self.versions: list[tuple[datetime, Lead]] = [(EPOCH, self._copy())]
        self.inputs = [
            _recorded(LeadCaptured(lead_id=LEAD, email="a@example.com", captured_by=TOUR), EPOCH)
        ]
        now = EPOCH
        for what, gap, said in happened:
            at = now - gap if what == "backdated" else now + gap
            if what in ("renamed", "missed") and gap > timedelta(days=30):
                at = now
            if event := self._learn(what, at, said):
                now = max(now, at)
                self.inputs.append(_recorded(event, at))
                self.versions.append((now, self._copy()))
        self.inputs.append(_recorded(ScoreDue(lead_id=LEAD, due_at=now), now + FAR))

    def _learn(self, what: str, at: datetime, said: Any) -> Event | None:
        match what:
            case "engaged" | "backdated":
                self.lead.engagements.append((at, said))
                return EngagementRecorded(
                    engagement_id=uuid4(), lead_id=LEAD, score_weight=said,
                    event_type=EngagementType.PRICE_CHECK,
                )  # fmt: skip
            case "renamed":
                self.lead.source = said
                return LeadUpdated(lead_id=LEAD, source=said)
            case "missed" if not self.lead.tours:
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

    def as_of(self, at: datetime) -> Wanted:
        """What the plan says at `at` of what had happened by then."""
        return plan([known for told, known in self.versions if told <= at][-1], at)

    def instants(self) -> set[datetime]:
        """Every instant that could matter, and those beside it."""
        found = {told for told, _ in self.versions} | self.lead.candidates()
        near = {at + step for at in found for step in (-TICK, timedelta(), TICK)}
        return {at for at in near if EPOCH <= at <= self.versions[-1][0] + FAR}


def rows_of(inputs: list[RecordedEvent], batch: int) -> list[dict[str, Any]]:
    """The rows of `lead_scores`, folded in batches that forget everything between them."""
    table, state = scores.projection.table, scores.projection.state
    assert state is not None
    rows: list[dict[str, Any]] = []
    kept: dict[UUID, dict[str, Any]] = {}
    for start in range(0, len(inputs), batch):
        work = Work([scores.projection])
        part = inputs[start : start + batch]
        for wanted, keys in work.wanted(part).items():
            work.rows[wanted].load(keys, kept if wanted is state else {})
        work.fold(part)
        kept = {LEAD: dict(work.rows[state].get(LEAD) or {})}
        rows += [dict(zip(table.columns, row, strict=True)) for row in work.take()[table].inserted]
    return rows


@settings(max_examples=1_000, deadline=None)
@given(happenings, st.integers(1, 5))
def test_the_newest_row_at_any_instant_is_the_score_as_of_then(
    happened: list[tuple[str, timedelta, Any]], batch: int
) -> None:
    history = History(happened)
    rows = rows_of(history.inputs, batch)
    for at in history.instants():
        newest = [row for row in rows if row["scored_at"] <= at][-1]
        assert tuple(newest[column] for column in COLUMNS) == history.as_of(at), at


@settings(max_examples=300, deadline=None)
@given(happenings)
def test_a_timer_changes_no_row_however_late_it_is(
    happened: list[tuple[str, timedelta, Any]],
) -> None:
    onwards = [one for one in happened if one[0] != "backdated"]
    history = History(onwards)
    untimed = [f for f in history.inputs[:-1] if not isinstance(f.event, ScoreDue)]
    assert rows_of([*untimed, history.inputs[-1]], 3) == rows_of(history.inputs, 2)


def _recorded(event: Event, at: datetime) -> RecordedEvent:
    return RecordedEvent(
        uuid4(), event, event.stream, event.stream_id, 1, 0, 0, 0, HOUSE, HOUSE, LEAD, at, at,
        "test", "live", None, None,
    )  # fmt: skip
