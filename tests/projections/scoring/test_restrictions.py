"""Restricted leads: no score moves while the use of a lead's data is restricted."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from events.record import RecordedEvent
from events.restrictions import LeadRestricted, LeadRestrictionLifted
from projections import leads
from services.application.rows import build_row
from tests.projections.scoring.plan import EPOCH
from tests.projections.scoring.test_merged_leads import (
    ADA,
    DAY,
    EVE,
    capture,
    due,
    engage,
    merge,
    record,
    rows_of,
    scores_of,
    unmerge,
)


def restrict(lead_id: UUID, at: datetime) -> RecordedEvent:
    return record(LeadRestricted(lead_id=lead_id, reason="a dispute"), at)


def lift(lead_id: UUID, at: datetime) -> RecordedEvent:
    return record(LeadRestrictionLifted(lead_id=lead_id, reason="it is settled"), at)


BEGIN = [capture(ADA), capture(EVE)]


def history(inputs: list[RecordedEvent], lead_id: UUID = ADA) -> list[tuple[Any, ...]]:
    """Return instant and score of each row; the same for every size of batches."""
    rows = [scores_of(rows_of(BEGIN + inputs, size), lead_id, "scored_at", "total_score")
            for size in (1, 2, 100)]  # fmt: skip
    assert rows[0] == rows[1] == rows[2]
    return rows[0]


def test_the_score_stays_while_a_lead_is_restricted_and_is_computed_at_the_lift() -> None:
    during = [engage(ADA, 20, EPOCH + 2 * DAY), due(ADA, EPOCH + 3 * DAY)]
    before = history([due(ADA, EPOCH + DAY)])
    assert history([restrict(ADA, EPOCH + DAY), *during]) == before
    lifted = history([restrict(ADA, EPOCH + DAY), *during, lift(ADA, EPOCH + 4 * DAY)])
    free = history([*during, due(ADA, EPOCH + 4 * DAY)])
    assert lifted == [*before, (EPOCH + 4 * DAY, free[-1][1])]
    assert len(free) > len(lifted)


def test_changes_by_time_before_the_restriction_are_kept() -> None:
    assert history([restrict(ADA, EPOCH + 10 * DAY)]) == history([due(ADA, EPOCH + 10 * DAY)])


def test_time_changes_the_score_again_after_the_lift() -> None:
    lifted = [restrict(ADA, EPOCH), lift(ADA, EPOCH + 2 * DAY), due(ADA, EPOCH + 20 * DAY)]
    assert history(lifted)[-2:] == history([due(ADA, EPOCH + 20 * DAY)])[-2:]


@pytest.mark.parametrize("restricted", [(ADA, EVE), (ADA,)])
def test_a_merge_with_a_restricted_lead_scores_nothing(restricted: tuple[UUID, ...]) -> None:
    first = [restrict(lead_id, EPOCH) for lead_id in restricted]
    inputs = [*first, merge(EVE, ADA, EPOCH + DAY), engage(EVE, 20, EPOCH + 2 * DAY)]
    assert history(inputs) == history([])
    lifted = history([*inputs, lift(ADA, EPOCH + 3 * DAY)])
    assert lifted[:-1] == history([])
    assert lifted[-1][0] == EPOCH + 3 * DAY


def test_an_unmerged_lead_that_is_restricted_is_not_scored() -> None:
    inputs = [
        merge(EVE, ADA, EPOCH),
        restrict(EVE, EPOCH + DAY),
        unmerge(EVE, ADA, EPOCH + 2 * DAY),
    ]
    before = history([merge(EVE, ADA, EPOCH)], EVE)
    assert history(inputs, EVE) == before
    assert history([*inputs, lift(EVE, EPOCH + 3 * DAY)], EVE)[:-1] == before


def test_the_mark_of_a_lead_is_the_instant_of_its_restriction() -> None:
    events = [capture(ADA), restrict(ADA, EPOCH + DAY)]
    row = build_row(leads.projection, ADA, events)
    assert row is not None
    assert row["restricted_at"] == EPOCH + DAY
    row = build_row(leads.projection, ADA, [*events, lift(ADA, EPOCH + 2 * DAY)])
    assert row is not None
    assert row["restricted_at"] is None
