"""Calendar invitations of tours, read back with an iCalendar parser."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

import pytest
from icalendar import Calendar

from services.application.invitations import (
    Invitation,
    build_calendar_file,
    build_invitation,
    build_links,
)
from services.host import HostProperty

TOUR, PROPERTY = UUID(int=7), UUID(int=2)
ROW: dict[str, Any] = {
    "id": TOUR, "property_id": PROPERTY, "tour_date": date(2036, 5, 14), "tour_time": time(14),
    "time_zone": "America/New_York", "starts_at": datetime(2036, 5, 14, 18, tzinfo=UTC),
    "duration_minutes": 45, "tour_type": "in_person", "status": "scheduled", "revision": 1,
    "updated_at": datetime(2036, 5, 1, 9, tzinfo=UTC),
}  # fmt: skip
ADDRESS = {"street": "1 Main St, Apt; 4", "city": "Albany"}
UNUSUAL_NAME = 'The "Old" Mill; \\ & Söhne,\r\nBEGIN:VALARM 🏠' + "x" * 100


def invite(
    tour: dict[str, Any],
    property_name: str,
    address: dict[str, str] = ADDRESS,
    attendee: str | None = None,
) -> Invitation:
    host_property = HostProperty(PROPERTY, UUID(int=1), property_name, address, {})
    return build_invitation(tour, host_property, attendee)


def parse_invitation(
    property_name: str = "Mill", attendee: str | None = "ada@example.com", **changes: Any
) -> tuple[Calendar, Any]:
    calendar = Calendar.from_ical(
        build_calendar_file(invite(ROW | changes, property_name, attendee=attendee))
    )
    assert isinstance(calendar, Calendar)
    (event,) = calendar.events
    assert [component.name for component in calendar.walk()] == ["VCALENDAR", "VEVENT"]
    return calendar, event


def test_an_invitation_contains_the_booked_tour() -> None:
    calendar, event = parse_invitation(attendee="ada@example.com")
    assert calendar["method"] == "REQUEST"
    assert event.start == datetime(2036, 5, 14, 18, tzinfo=UTC)
    assert event.end - event.start == timedelta(minutes=45)
    assert (event["summary"], event["location"]) == ("Tour of Mill", "1 Main St, Apt; 4, Albany")
    assert "2036-05-14 at 14:00 (America/New_York)" in event["description"]
    assert event["attendee"] == "mailto:ada@example.com"
    assert event["organizer"].params["CN"] == "Mill"
    assert event["dtstamp"].dt == ROW["updated_at"]


def test_every_change_of_a_tour_is_the_next_sequence_of_one_event() -> None:
    changes: list[dict[str, Any]] = [
        {}, {"revision": 2}, {"revision": 3}, {"revision": 3, "status": "cancelled"},
    ]  # fmt: skip
    invitations = [parse_invitation(**change) for change in changes]
    assert {event["uid"] for _, event in invitations} == {f"tour-{TOUR}@leasing-crm"}
    assert [event["sequence"] for _, event in invitations] == [0, 1, 2, 3]
    assert [calendar["method"] for calendar, _ in invitations] == ["REQUEST"] * 3 + ["CANCEL"]
    assert [event["status"] for _, event in invitations] == ["CONFIRMED"] * 3 + ["CANCELLED"]


@pytest.mark.parametrize("fold", [0, 1])
def test_a_local_time_that_occurs_twice_is_written_as_the_right_instant(fold: int) -> None:
    starts_at = datetime(2026, 11, 1, 5 + fold, 30, tzinfo=UTC)
    _, event = parse_invitation(
        tour_date=date(2026, 11, 1), tour_time=time(1, 30), starts_at=starts_at, fold=fold
    )
    assert event.start == starts_at


def test_a_property_name_cannot_add_lines_to_the_file() -> None:
    _, event = parse_invitation(property_name=UNUSUAL_NAME)
    assert event["summary"] == f"Tour of {UNUSUAL_NAME}".replace("\r\n", "\n")
    text = build_calendar_file(invite(ROW, UNUSUAL_NAME, {}))
    assert all(len(line) <= 75 for line in text.split(b"\r\n"))


def test_the_calendar_links_contain_the_same_tour() -> None:
    urls = build_links(invite(ROW, UNUSUAL_NAME))
    google, outlook = (parse_qs(urlsplit(urls[name]).query) for name in ("google", "outlook"))
    assert google["dates"] == ["20360514T180000Z/20360514T184500Z"]
    assert outlook["startdt"] == ["2036-05-14T18:00:00Z"]
    assert google["text"] == outlook["subject"] == [f"Tour of {UNUSUAL_NAME}"]
    media_type, _, file = urls["ics"].partition(",")
    assert media_type == "data:text/calendar;charset=utf-8"
    assert unquote(file).encode() == build_calendar_file(invite(ROW, UNUSUAL_NAME))
