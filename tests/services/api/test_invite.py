"""Invitations: a calendar reads back what a tour is, and follows what becomes of it."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

import pytest
from icalendar import Calendar

from services.api.calendars.invite import ics, invitation, links

TOUR, HOUSE = UUID(int=7), UUID(int=2)
ROW: dict[str, Any] = {
    "id": TOUR, "property_id": HOUSE, "tour_date": date(2036, 5, 14), "tour_time": time(14),
    "time_zone": "America/New_York", "starts_at": datetime(2036, 5, 14, 18, tzinfo=UTC),
    "duration_minutes": 45, "tour_type": "in_person", "status": "scheduled", "revision": 1,
    "updated_at": datetime(2036, 5, 1, 9, tzinfo=UTC),
}  # fmt: skip
ADDRESS = {"street": "1 Main St, Apt; 4", "city": "Albany"}
NASTY = 'The "Old" Mill; \\ & Söhne,\r\nBEGIN:VALARM 🏠' + "x" * 100


def read(
    host_property: str = "Mill", guest: str | None = None, **changes: Any
) -> tuple[Calendar, Any]:
    found = Calendar.from_ical(ics(invitation(ROW | changes, host_property, ADDRESS, guest)))
    assert isinstance(found, Calendar)
    (event,) = found.events
    assert [part.name for part in found.walk()] == ["VCALENDAR", "VEVENT"]
    return found, event


def test_a_calendar_reads_what_was_booked() -> None:
    calendar, event = read(guest="ada@example.com")
    assert calendar["method"] == "REQUEST"
    assert event.start == datetime(2036, 5, 14, 18, tzinfo=UTC)
    assert event.end - event.start == timedelta(minutes=45)
    assert (event["summary"], event["location"]) == ("Tour of Mill", "1 Main St, Apt; 4, Albany")
    assert "2036-05-14 at 14:00 (America/New_York)" in event["description"]
    assert event["attendee"] == "mailto:ada@example.com"
    assert event["organizer"].params["CN"] == "Mill"
    assert event["dtstamp"].dt == ROW["updated_at"]


def test_every_change_is_the_next_sequence_of_one_event() -> None:
    changes: list[dict[str, Any]] = [
        {}, {"revision": 2}, {"revision": 3}, {"revision": 3, "status": "cancelled"},
    ]  # fmt: skip
    told = [read(**each) for each in changes]
    assert {event["uid"] for _, event in told} == {f"tour-{TOUR}@leasing-crm"}
    assert [event["sequence"] for _, event in told] == [0, 1, 2, 3]
    assert [calendar["method"] for calendar, _ in told] == ["REQUEST"] * 3 + ["CANCEL"]
    assert [event["status"] for _, event in told] == ["CONFIRMED"] * 3 + ["CANCELLED"]


@pytest.mark.parametrize("fold", [0, 1])
def test_of_two_equal_times_a_calendar_shows_the_right_one(fold: int) -> None:
    at = datetime(2026, 11, 1, 5 + fold, 30, tzinfo=UTC)
    _, event = read(tour_date=date(2026, 11, 1), tour_time=time(1, 30), starts_at=at, fold=fold)
    assert event.start == at


def test_a_name_cannot_break_out_of_its_place() -> None:
    _, event = read(host_property=NASTY)
    assert event["summary"] == f"Tour of {NASTY}".replace("\r\n", "\n")
    text = ics(invitation(ROW, NASTY, {}))
    assert all(len(line) <= 75 for line in text.split(b"\r\n"))


def test_the_links_say_the_same() -> None:
    found = links(invitation(ROW, NASTY, ADDRESS))
    google, outlook = (parse_qs(urlsplit(found[name]).query) for name in ("google", "outlook"))
    assert google["dates"] == ["20360514T180000Z/20360514T184500Z"]
    assert outlook["startdt"] == ["2036-05-14T18:00:00Z"]
    assert google["text"] == outlook["subject"] == [f"Tour of {NASTY}"]
    kind, _, file = found["ics"].partition(",")
    assert kind == "data:text/calendar;charset=utf-8"
    assert unquote(file).encode() == ics(invitation(ROW, NASTY, ADDRESS))
