"""Examples for `tours`: given events, the rows that they leave."""

from datetime import UTC, date, datetime, time
from uuid import UUID

import pytest

from events.deliveries import DeliveryChannel, DeliveryHandedOver, DeliveryPurpose
from events.event import Event
from events.tours import (
    TourAmended,
    TourCancelled,
    TourCompleted,
    TourConfirmed,
    TourNoShowCorrected,
    TourNoShowRecorded,
    TourRescheduled,
    TourScheduled,
    TourStatus,
    TourType,
)
from projections.tours import projection
from tests.projections.given import AGENT, LEAD, TOUR, at, only, rows_of

SCHEDULED = TourScheduled(
    tour_id=TOUR, lead_id=LEAD, tour_date=date(2026, 4, 2), tour_time=time(14), fold=0,
    time_zone="America/New_York", starts_at=datetime(2026, 4, 2, 18, tzinfo=UTC),
    duration_minutes=45, tour_type=TourType.VIRTUAL, source="widget", created_by=AGENT,
)  # fmt: skip
NO_SHOW = TourNoShowRecorded(tour_id=TOUR, lead_id=LEAD)


SENT = ("confirmation_sent_at", "reminder_24h_sent_at", "reminder_1h_sent_at")


def handed_over(
    purpose: DeliveryPurpose, number: int, revision: int = 1, *, simulated: bool = False
) -> DeliveryHandedOver:
    return DeliveryHandedOver(
        delivery_id=UUID(int=number), lead_id=LEAD, channel=DeliveryChannel.SMS, purpose=purpose,
        tour_id=TOUR, tour_revision=revision, provider="p", attempt=1, simulated=simulated,
    )  # fmt: skip


def test_the_first_hand_over_of_each_message_of_a_tour_is_kept() -> None:
    rows = rows_of(
        projection, SCHEDULED,
        handed_over(DeliveryPurpose.TOUR_CONFIRMATION, 1),
        handed_over(DeliveryPurpose.TOUR_CONFIRMATION, 2),
        handed_over(DeliveryPurpose.TOUR_REMINDER_24H, 3, simulated=True),
        handed_over(DeliveryPurpose.TOUR_REMINDER_1H, 4),
        handed_over(DeliveryPurpose.WORKFLOW, 5),
    )  # fmt: skip
    assert only(rows, *SENT) == [(at(2), None, at(5))]


def test_reminders_of_a_moved_tour_count_for_its_new_revision() -> None:
    moved = TourRescheduled(
        tour_id=TOUR, lead_id=LEAD, tour_date=date(2026, 4, 3), tour_time=time(14), fold=0,
        time_zone="America/New_York", starts_at=datetime(2026, 4, 3, 18, tzinfo=UTC),
        duration_minutes=45, revision=2,
    )  # fmt: skip
    reminder = DeliveryPurpose.TOUR_REMINDER_24H
    events = [
        SCHEDULED, handed_over(DeliveryPurpose.TOUR_CONFIRMATION, 1), handed_over(reminder, 2),
        moved, handed_over(reminder, 3),
    ]  # fmt: skip
    assert only(rows_of(projection, *events), *SENT) == [(at(2), None, None)]
    events.append(handed_over(reminder, 4, revision=2))
    assert only(rows_of(projection, *events), *SENT) == [(at(2), at(6), None)]


def test_a_scheduled_tour_has_local_time_and_instant() -> None:
    rows = rows_of(projection, SCHEDULED)
    assert only(rows, "tour_date", "tour_time", "time_zone", "starts_at", "duration_minutes") == [
        (date(2026, 4, 2), time(14), "America/New_York", datetime(2026, 4, 2, 18, tzinfo=UTC), 45)
    ]
    assert only(rows, "status", "revision", "tour_type", "created_by") == [
        ("scheduled", 1, "virtual", AGENT)
    ]


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (TourConfirmed(tour_id=TOUR, lead_id=LEAD), "confirmed"),
        (TourCompleted(tour_id=TOUR, lead_id=LEAD), "completed"),
        (TourCancelled(tour_id=TOUR, lead_id=LEAD), "cancelled"),
        (NO_SHOW, "no_show"),
    ],
)
def test_an_event_sets_the_status_and_the_time_of_the_change(event: Event, status: str) -> None:
    rows = rows_of(projection, SCHEDULED, event)
    assert only(rows, "status", "updated_at") == [(status, at(2))]


def test_a_corrected_no_show_has_the_status_of_the_correction() -> None:
    corrected = TourNoShowCorrected(tour_id=TOUR, lead_id=LEAD, status=TourStatus.COMPLETED)
    assert only(rows_of(projection, SCHEDULED, NO_SHOW, corrected), "status") == [("completed",)]


def test_a_rescheduled_tour_is_scheduled_again_with_a_new_revision() -> None:
    rescheduled = TourRescheduled(
        tour_id=TOUR, lead_id=LEAD, revision=2, tour_date=date(2026, 11, 1), tour_time=time(1, 30),
        time_zone="America/New_York", fold=1, starts_at=datetime(2026, 11, 1, 6, 30, tzinfo=UTC),
        duration_minutes=30,
    )  # fmt: skip
    confirmed = TourConfirmed(tour_id=TOUR, lead_id=LEAD)
    rows = rows_of(projection, SCHEDULED, confirmed, rescheduled)
    assert only(rows, "status", "revision", "fold", "tour_time") == [
        ("scheduled", 2, 1, time(1, 30))
    ]


def test_an_amendment_changes_the_named_fields_only() -> None:
    amended = TourAmended(tour_id=TOUR, lead_id=LEAD, tour_type=TourType.IN_PERSON)
    rows = rows_of(projection, SCHEDULED, amended)
    assert only(rows, "tour_type", "created_by", "status") == [("in_person", AGENT, "scheduled")]
