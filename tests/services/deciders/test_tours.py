"""The deciders of tours: bookings, changes and outcomes."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
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
AFTER = datetime(2026, 4, 2, 18, tzinfo=UTC)
"""The first instant at which the tour can have an outcome."""
IDS: dict[str, Any] = {"tour_id": TOUR, "lead_id": LEAD}

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
CONFIRMED = TourConfirmed(**IDS)
CANCELLED = TourCancelled(**IDS)
COMPLETED = TourCompleted(**IDS)
NO_SHOW = TourNoShowRecorded(**IDS)


def _name(command: object) -> str:
    return type(command).__name__


def status(value: LeadStatus) -> LeadStatusChanged:
    return LeadStatusChanged(lead_id=LEAD, status=value)


def test_a_booking_changes_the_status_of_a_new_lead() -> None:
    given(ADA).when(BOOK).then(SCHEDULED, BOOKED)


@pytest.mark.parametrize(
    "later_status", [s for s in LeadStatus if s not in (LeadStatus.NEW, LeadStatus.CONTACTED)]
)
def test_a_booking_keeps_a_later_status(later_status: LeadStatus) -> None:
    given(ADA, status(later_status)).when(BOOK).then(SCHEDULED)


@pytest.mark.parametrize("later_status", [LeadStatus.LEASED, LeadStatus.LOST, LeadStatus.APPLIED])
def test_a_completed_tour_keeps_a_later_status(later_status: LeadStatus) -> None:
    given(ADA, SCHEDULED, status(later_status)).when(CompleteTour(TOUR, LEAD, at=AFTER)).then(
        COMPLETED
    )


def test_a_completed_tour_changes_the_status_of_the_lead() -> None:
    given(ADA, SCHEDULED, BOOKED).when(CompleteTour(TOUR, LEAD, at=AFTER)).then(
        COMPLETED,
        LeadStatusChanged(lead_id=LEAD, status=LeadStatus.TOURED,
                          previous_status=LeadStatus.TOUR_BOOKED, reason="tour completed"),
    )  # fmt: skip


def test_a_time_in_the_past_cannot_be_booked() -> None:
    late = ScheduleTour(TOUR, LEAD, at=datetime(2026, 4, 2, 18, tzinfo=UTC), when=WHEN, source="x")
    given(ADA).when(late).refused("tour_in_past", 400)
    assert given(ADA).when(replace(late, at=late.at - timedelta.resolution)).events


def test_a_tour_cannot_be_moved_to_a_time_in_the_past() -> None:
    late = RescheduleTour(TOUR, LEAD, at=LATER.instant, when=LATER)
    given(ADA, SCHEDULED).when(late).refused("tour_in_past", 400)
    assert given(ADA, SCHEDULED).when(replace(late, at=late.at - timedelta.resolution)).events


def test_a_time_that_the_clock_change_skips_is_refused() -> None:
    gap = When(date(2026, 3, 8), time(2, 30), "America/New_York")
    given(ADA).when(ScheduleTour(TOUR, LEAD, at=NOW, when=gap, source="x")).refused(
        "no_such_time", 422
    )


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "America", "../etc/passwd", "EST5EDT\x00"])
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    when = When(date(2026, 4, 2), time(14), zone)
    given(ADA).when(ScheduleTour(TOUR, LEAD, at=NOW, when=when, source="x")).refused(
        "unknown_zone", 422
    )


def test_a_rescheduled_tour_has_a_new_revision_and_is_not_confirmed() -> None:
    moved = TourRescheduled.model_validate({**IDS, "revision": 2, **LATER.event_fields})
    given(ADA, SCHEDULED, CONFIRMED).when(MOVE).then(moved)
    again = RescheduleTour(TOUR, LEAD, at=NOW, when=WHEN)
    back = TourRescheduled.model_validate({**IDS, "revision": 3, **WHEN.event_fields})
    given(ADA, SCHEDULED, moved).when(again).then(back)
    given(ADA, SCHEDULED, CONFIRMED, moved).when(ConfirmTour(TOUR, LEAD)).then(CONFIRMED)


CONFIRM, COMPLETE = ConfirmTour(TOUR, LEAD), CompleteTour(TOUR, LEAD, at=AFTER)
CANCEL, RECORD_NO_SHOW = CancelTour(TOUR, LEAD), RecordNoShow(TOUR, LEAD, at=AFTER)
CORRECT = CorrectNoShow(TOUR, LEAD)
ENDS = {
    TourStatus.COMPLETED: (SCHEDULED, COMPLETED),
    TourStatus.CANCELLED: (SCHEDULED, CANCELLED),
    TourStatus.NO_SHOW: (SCHEDULED, NO_SHOW),
}
COMMAND_OF = {
    TourStatus.COMPLETED: COMPLETE,
    TourStatus.CANCELLED: CANCEL,
    TourStatus.NO_SHOW: RECORD_NO_SHOW,
}
"""The command that ended the tour, which changes nothing when it is repeated."""
REFUSED_AFTER = [
    (end, command)
    for end, own_command in COMMAND_OF.items()
    for command in (CONFIRM, COMPLETE, CANCEL, RECORD_NO_SHOW, CORRECT, MOVE)
    if command != own_command and (end, command) != (TourStatus.NO_SHOW, CORRECT)
]


@pytest.mark.parametrize(("end", "command"), REFUSED_AFTER)
def test_a_tour_that_has_ended_cannot_be_changed(end: TourStatus, command: TourCommand) -> None:
    given(ADA, *ENDS[end]).when(command).refused("tour_state", 409)


def test_all_but_four_commands_are_refused_after_an_end() -> None:
    assert len(REFUSED_AFTER) == len(ENDS) * 6 - 4, "three repetitions and one correction"


def test_a_repeated_command_changes_nothing() -> None:
    given(ADA, SCHEDULED).when(BOOK).then()
    given(ADA, SCHEDULED, CONFIRMED).when(CONFIRM).then()
    for end, command in COMMAND_OF.items():
        given(ADA, *ENDS[end]).when(command).then()


def test_an_outcome_states_who_recorded_it_and_whether_to_notify() -> None:
    notice: dict[str, Any] = {"send_notification": True}
    given(ADA, SCHEDULED).when(CANCEL).then(CANCELLED)
    given(ADA, SCHEDULED).when(ConfirmTour(TOUR, LEAD, AGENT, **notice)).then(
        TourConfirmed(**IDS, confirmed_by=AGENT, **notice)
    )
    given(ADA, SCHEDULED).when(CancelTour(TOUR, LEAD, "rain", AGENT, **notice)).then(
        TourCancelled(**IDS, reason="rain", cancelled_by=AGENT, **notice)
    )
    given(ADA, SCHEDULED).when(RecordNoShow(TOUR, LEAD, AGENT, at=AFTER)).then(
        TourNoShowRecorded(**IDS, recorded_by=AGENT)
    )
    correction = CorrectNoShow(TOUR, LEAD, TourStatus.COMPLETED, "came late", AGENT)
    given(ADA, SCHEDULED, NO_SHOW).when(correction).then(
        TourNoShowCorrected(
            **IDS, status=TourStatus.COMPLETED, reason="came late", corrected_by=AGENT
        )
    )


def test_a_corrected_no_show_restores_the_status() -> None:
    given(ADA, SCHEDULED, CONFIRMED, NO_SHOW).when(CORRECT).then(
        TourNoShowCorrected(**IDS, status=TourStatus.CONFIRMED)
    )
    given(ADA, SCHEDULED).when(CORRECT).refused("tour_state")


def test_an_amended_tour_has_only_the_changed_details() -> None:
    given(ADA, SCHEDULED).when(AmendTour(TOUR, LEAD, {"notes": "ring"}, AGENT)).then(
        TourAmended(**IDS, notes="ring", amended_by=AGENT)
    )
    given(ADA, SCHEDULED).when(AmendTour(TOUR, LEAD, {"notes": None})).then()
    given(ADA, SCHEDULED).when(AmendTour(TOUR, LEAD, {})).then()


def test_an_agent_has_one_tour_at_a_time() -> None:
    busy: dict[str, Any] = {"agent_busy_with": uuid4()}
    assigned = AmendTour(TOUR, LEAD, {"assigned_agent_id": AGENT}, **busy)
    for command in (replace(MOVE, **busy), assigned):
        given(ADA, SCHEDULED).when(command).refused("agent_busy", 409)
    given(ADA).when(replace(BOOK, **busy)).refused("agent_busy", 409)


def test_the_agent_of_a_tour_that_is_not_live_may_have_another_tour() -> None:
    busy: dict[str, Any] = {"agent_busy_with": uuid4()}
    assigned = AmendTour(TOUR, LEAD, {"assigned_agent_id": AGENT}, **busy)
    change = TourAmended(**IDS, assigned_agent_id=AGENT)
    given(ADA, SCHEDULED, COMPLETED).when(assigned).then(change)
    noted = AmendTour(TOUR, LEAD, {"notes": "ring"}, **busy)
    given(ADA, SCHEDULED).when(noted).then(TourAmended(**IDS, notes="ring"))
    removed = AmendTour(TOUR, LEAD, {"assigned_agent_id": None}, **busy)
    given(ADA, SCHEDULED, change).when(removed).then(TourAmended(**IDS, assigned_agent_id=None))


def test_a_tour_id_of_another_lead_or_time_cannot_be_booked() -> None:
    given(ADA, SCHEDULED).when(replace(BOOK, when=LATER)).refused("id_reused", 422)
    other = uuid4()
    eve = LeadCaptured(lead_id=other, email="eve@example.com")
    given(eve, SCHEDULED).when(replace(BOOK, lead_id=other)).refused("id_reused", 422)


@pytest.mark.parametrize("command", [COMPLETE, RECORD_NO_SHOW], ids=_name)
def test_a_tour_in_the_future_has_no_outcome(command: CompleteTour | RecordNoShow) -> None:
    early = replace(command, at=AFTER - timedelta(microseconds=1))
    for history in ((SCHEDULED,), (SCHEDULED, CONFIRMED)):
        given(ADA, *history).when(early).refused("tour_in_future", 409)
    moved = TourRescheduled.model_validate({**IDS, "revision": 2, **LATER.event_fields})
    given(ADA, SCHEDULED, moved).when(command).refused("tour_in_future", 409)


def test_a_tour_of_another_lead_is_not_found() -> None:
    other = uuid4()
    eve = LeadCaptured(lead_id=other, email="eve@example.com")
    given(eve, SCHEDULED).when(CancelTour(TOUR, other)).refused("not_this_lead", 404)


@pytest.mark.parametrize(
    "command", [BOOK, MOVE, CONFIRM, COMPLETE, CANCEL, RECORD_NO_SHOW, CORRECT], ids=_name
)
def test_a_tour_or_lead_that_does_not_exist_is_unknown(command: TourCommand) -> None:
    given().when(command).refused("unknown_subject", 404)
    if command is not BOOK:
        given(ADA).when(command).refused("unknown_subject", 404)
