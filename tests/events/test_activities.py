"""Activities: what producers may send."""

from uuid import UUID

import pytest

from events.activities import REPORTED_ACTIVITIES, ActivityType
from events.catalog import producer_objection
from events.codec import decode_from_producer


@pytest.mark.parametrize("kind", ActivityType)
def test_producers_may_send_only_activities_that_no_other_event_implies(kind: ActivityType) -> None:
    ids = {"activity_id": str(UUID(int=1)), "lead_id": str(UUID(int=2))}
    event = decode_from_producer("activity.recorded", 1, {**ids, "type": kind.value})
    assert (producer_objection(event) is None) == (kind in REPORTED_ACTIVITIES)


def test_calls_may_be_reported_and_completed_tours_may_not() -> None:
    assert ActivityType.CALL_MADE in REPORTED_ACTIVITIES
    assert ActivityType.TOUR_COMPLETED not in REPORTED_ACTIVITIES
