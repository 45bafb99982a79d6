"""Tours: which moves there are, from the booking to what comes of it."""

from datetime import UTC, date, datetime, time
from typing import Any
from uuid import uuid4

import pytest

from events.leads import LeadCaptured, LeadStatus, LeadStatusChanged
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
from services.deciders.local_time import When
from services.deciders.tour_bookings import AmendTour, RescheduleTour, ScheduleTour
from services.deciders.tour_outcomes import (
    CancelTour,
    CompleteTour,
    ConfirmTour,
    CorrectNoShow,
    RecordNoShow,
)
from services.deciders.tours import TourCommand
from tests.services.deciders.given import given

TOUR, LEAD, AGENT = uuid4(), uuid4(), uuid4()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WHEN = When(date(2026, 4, 2), time(14), "America/New_York")
LATER = When(date(2026, 4, 3), time(9, 30), "America/New_York")
BOOK = ScheduleTour(TOUR, LEAD, at=NOW, when=WHEN, source="console")
MOVE = RescheduleTour(TOUR, LEAD, at=NOW, when=LATER)
WHO: dict[str, Any] = {"tour_id": TOUR, "lead_id": LEAD}

ADA = LeadCaptured(lead_id=LEAD, email="ada@example.com")
BOOKED = LeadStatusChanged(
    lead_id=LEAD, status=LeadStatus.TOUR_BOOKED, previous_status=LeadStatus.NEW,
    reason="tour booked",
)  # fmt: skip
SCHEDULED = TourScheduled(
    tour_id=TOUR, lead_id=LEAD, tour_date=date(2026, 4, 2), tour_time=time(14),
    time_zone="America/New_York", fold=0, starts_at=datetime(2026, 4, 2, 18, tzinfo=UTC),
    duration_minutes=30, tour_type=TourType.IN_PERSON, source="console", send_confirmation=True,
)  # fmt: skip
CONFIRMED = TourConfirmed(**WHO)
CANCELLED = TourCancelled(**WHO)
COMPLETED = TourCompleted(**WHO)
MISSED = TourNoShowRecorded(**WHO)


def _name(command: object) -> str:
    return type(command).__name__


def status(value: LeadStatus) -> LeadStatusChanged:
    return LeadStatusChanged(lead_id=LEAD, status=value)


def test_a_booking_moves_a_new_lead_on() -> None:
    given(ADA).when(BOOK).then(SCHEDULED, BOOKED)


@pytest.mark.parametrize(
    "held", [s for s in LeadStatus if s not in (LeadStatus.NEW, LeadStatus.CONTACTED)]
)
def test_a_booking_never_turns_a_lead_back(held: LeadStatus) -> None:
    given(ADA, status(held)).when(BOOK).then(SCHEDULED)


@pytest.mark.parametrize("held", [LeadStatus.LEASED, LeadStatus.LOST, LeadStatus.APPLIED])
def test_a_tour_that_was_held_never_turns_a_lead_back(held: LeadStatus) -> None:
    given(ADA, SCHEDULED, status(held)).when(CompleteTour(TOUR, LEAD)).then(COMPLETED)


def test_a_tour_that_was_held_moves_the_lead_on() -> None:
    given(ADA, SCHEDULED, BOOKED).when(CompleteTour(TOUR, LEAD)).then(
        COMPLETED,
        LeadStatusChanged(lead_id=LEAD, status=LeadStatus.TOURED,
                          previous_status=LeadStatus.TOUR_BOOKED, reason="tour completed"),
    )  # fmt: skip


def test_the_past_cannot_be_booked() -> None:
    late = ScheduleTour(TOUR, LEAD, at=datetime(2026, 4, 2, 18, tzinfo=UTC), when=WHEN, source="x")
    given(ADA).when(late).refused("tour_in_past", 400)


def test_a_time_that_clocks_skip_is_refused() -> None:
    gap = When(date(2026, 3, 8), time(2, 30), "America/New_York")
    given(ADA).when(ScheduleTour(TOUR, LEAD, at=NOW, when=gap, source="x")).refused(
        "no_such_time", 422
    )


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "America", "../etc/passwd", "EST5EDT\x00"])
def test_an_unknown_zone_is_refused_never_guessed(zone: str) -> None:
    when = When(date(2026, 4, 2), time(14), zone)
    given(ADA).when(ScheduleTour(TOUR, LEAD, at=NOW, when=when, source="x")).refused(
        "unknown_zone", 422
    )


def test_a_move_bumps_the_revision_and_a_confirmation_falls() -> None:
    moved = TourRescheduled.model_validate({**WHO, "revision": 2, **LATER.said})
    given(ADA, SCHEDULED, CONFIRMED).when(MOVE).then(moved)
    again = RescheduleTour(TOUR, LEAD, at=NOW, when=WHEN)
    back = TourRescheduled.model_validate({**WHO, "revision": 3, **WHEN.said})
    given(ADA, SCHEDULED, moved).when(again).then(back)
    given(ADA, SCHEDULED, CONFIRMED, moved).when(ConfirmTour(TOUR, LEAD)).then(CONFIRMED)


CONFIRM, COMPLETE = ConfirmTour(TOUR, LEAD), CompleteTour(TOUR, LEAD)
CANCEL, MISS = CancelTour(TOUR, LEAD), RecordNoShow(TOUR, LEAD)
CORRECT = CorrectNoShow(TOUR, LEAD)
ENDS = {
    TourStatus.COMPLETED: (SCHEDULED, COMPLETED),
    TourStatus.CANCELLED: (SCHEDULED, CANCELLED),
    TourStatus.NO_SHOW: (SCHEDULED, MISSED),
}
AGAIN = {
    TourStatus.COMPLETED: (COMPLETE,), TourStatus.CANCELLED: (CANCEL,),
    TourStatus.NO_SHOW: (MISS, CORRECT),
}  # fmt: skip


@pytest.mark.parametrize("end", list(ENDS))
@pytest.mark.parametrize("command", [CONFIRM, COMPLETE, CANCEL, MISS, CORRECT, MOVE], ids=_name)
def test_a_tour_that_has_ended_moves_no_more(end: TourStatus, command: TourCommand) -> None:
    if command not in AGAIN[end]:
        given(ADA, *ENDS[end]).when(command).refused("tour_state", 409)


def test_the_same_said_again_is_nothing() -> None:
    given(ADA, SCHEDULED).when(BOOK).then()
    given(ADA, SCHEDULED, CONFIRMED).when(CONFIRM).then()
    for end in ENDS:
        given(ADA, *ENDS[end]).when(AGAIN[end][0]).then()


def test_a_no_show_that_was_none_gives_the_status_back() -> None:
    given(ADA, SCHEDULED, CONFIRMED, MISSED).when(CORRECT).then(
        TourNoShowCorrected(**WHO, status=TourStatus.CONFIRMED)
    )
    given(ADA, SCHEDULED).when(CORRECT).refused("tour_state")


def test_what_does_not_move_a_tour_is_amended() -> None:
    given(ADA, SCHEDULED).when(AmendTour(TOUR, LEAD, {"notes": "ring"}, AGENT)).then(
        TourAmended(**WHO, notes="ring", amended_by=AGENT)
    )
    given(ADA, SCHEDULED).when(AmendTour(TOUR, LEAD, {"notes": None})).then()
    given(ADA, SCHEDULED).when(AmendTour(TOUR, LEAD, {})).then()


def test_a_tour_of_another_lead_is_not_found() -> None:
    other = uuid4()
    theirs = LeadCaptured(lead_id=other, email="eve@example.com")
    given(theirs, SCHEDULED).when(CancelTour(TOUR, other)).refused("not_this_lead", 404)


@pytest.mark.parametrize(
    "command", [BOOK, MOVE, CONFIRM, COMPLETE, CANCEL, MISS, CORRECT], ids=_name
)
def test_nothing_is_decided_about_what_is_not_there(command: TourCommand) -> None:
    given().when(command).refused("unknown_subject", 404)
    if command is not BOOK:
        given(ADA).when(command).refused("unknown_subject", 404)
