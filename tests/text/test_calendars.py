"""Calendar files: each REQUEST and CANCEL has what calendars need (RFC 5545, RFC 5546)."""

from typing import Any
from uuid import UUID

import pytest
from icalendar import Calendar

from services.application.invitations import NO_ORGANIZER, build_calendar_file, build_invitation
from services.host import HostProperty
from tests.services.api.site import WIDGET_TOURS, Site
from tests.services.api.tour_requests import at, book
from tests.services.application.test_invitations import ROW

PROPERTY = UUID(int=2)


def read(
    attendee: str | None = "ada@example.com", settings: dict[str, Any] | None = None,
    address: dict[str, Any] | None = None, **changes: Any,
) -> tuple[str, Any]:  # fmt: skip
    """Return the method and the event of a calendar file."""
    host_property = HostProperty(PROPERTY, UUID(int=1), "Mill", address or {}, settings or {})
    file = build_calendar_file(build_invitation(ROW | changes, host_property, attendee))
    calendar = Calendar.from_ical(file)
    assert isinstance(calendar, Calendar)
    return str(calendar["method"]), calendar.events[0]


@pytest.mark.parametrize(("status", "method"), [("scheduled", "REQUEST"), ("cancelled", "CANCEL")])
def test_a_request_and_its_cancellation_name_organizer_attendee_and_place(
    status: str, method: str
) -> None:
    """RFC 5546, 3.2.2 and 3.2.5; Outlook answers only a mailto organizer."""
    found, event = read(
        settings={"contact_email": "Office@Mill.example"}, status=status,
        address={"street": "1 Main St", "city": "Albany", "state": "NY", "zip": "12207"},
    )  # fmt: skip
    assert found == method
    assert event["organizer"] == "mailto:Office@mill.example"
    assert event["attendee"] == "mailto:ada@example.com"
    assert event["location"] == "1 Main St, Albany, NY 12207"


@pytest.mark.parametrize(
    ("settings", "address", "organizer"),
    [
        ({"contact_email": "a@mill.example"}, {"email": "b@mill.example"}, "a@mill.example"),
        ({"contactEmail": "a@mill.example"}, {}, "a@mill.example"),
        ({"email": "no address"}, {"email": "b@mill.example"}, "b@mill.example"),
        ({"email": 7}, {}, NO_ORGANIZER), ({}, {}, NO_ORGANIZER),
    ],
)  # fmt: skip
def test_the_organizer_is_the_first_e_mail_address_of_the_property(
    settings: dict[str, Any], address: dict[str, Any], organizer: str
) -> None:
    assert read(settings=settings, address=address)[1]["organizer"] == f"mailto:{organizer}"


@pytest.mark.parametrize(
    ("address", "uri", "source"),
    [
        ("info@straße.example", "mailto:info@xn--strae-oqa.example", "UTS #46"),
        ("großmann@example.de", "mailto:gro%C3%9Fmann@example.de", "RFC 6068 §2"),
        ("ada+tours@example.com", "mailto:ada+tours@example.com", "RFC 6068 §2"),
        ("a%b&c?d@example.com", "mailto:a%25b%26c%3Fd@example.com", "RFC 6068 §2"),
    ],
)
def test_an_address_is_written_as_a_uri(address: str, uri: str, source: str) -> None:
    assert read(attendee=address)[1]["attendee"] == uri, source


@pytest.mark.parametrize("attendee", [None, "", "no address", "a@b.example\r\nATTENDEE:mailto:x"])
@pytest.mark.parametrize("status", ["scheduled", "cancelled"])
def test_without_an_attendee_the_file_is_an_entry_and_no_invitation(
    attendee: str | None, status: str
) -> None:
    """RFC 5546, 3.2.1: a PUBLISH has no attendee."""
    method, event = read(attendee, status=status)
    assert method == "PUBLISH"
    assert "attendee" not in event
    assert event["status"] == ("CANCELLED" if status == "cancelled" else "CONFIRMED")


async def test_only_the_visitor_who_booked_gets_an_invitation_with_the_address(site: Site) -> None:
    tour = (await book(site, at("10:00"), "ada@example.com")).json()["booking"]["id"]
    await site.project()
    url = f"{WIDGET_TOURS}/{tour}/calendar.ics"
    own = await site.client.get(url, headers=site.widget_headers())
    assert "METHOD:REQUEST" in own.text
    assert "mailto:ada@example.com" in own.text
    other = await site.client.get(url, headers=site.widget_headers("v_other"))
    assert "METHOD:PUBLISH" in other.text
    assert "ada@example.com" not in other.text
