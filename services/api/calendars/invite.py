"""A tour as an iCalendar invitation, and as links that put it into a visitor's own calendar."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from icalendar import Calendar, Event, vCalAddress, vText

MEDIA_TYPE = "text/calendar"
PRODUCT = "-//leasing-crm//tours//EN"
_GOOGLE = "https://calendar.google.com/calendar/render"
_OUTLOOK = "https://outlook.live.com/calendar/0/deeplink/compose"
_BASIC, _EXTENDED = "%Y%m%dT%H%M%SZ", "%Y-%m-%dT%H:%M:%SZ"
_ADDRESS = ("street", "line1", "line2", "city", "state", "zip")


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a calendar is told. `changed_at` is when the tour last changed, `revision` counts its
    moves from one; times are instants, so no zone has to travel with them."""

    tour_id: UUID
    property_id: UUID
    host_property: str
    address: str
    starts_at: datetime
    duration_minutes: int
    tour_type: str
    local: str
    revision: int
    cancelled: bool
    changed_at: datetime
    guest: str | None = None

    @property
    def title(self) -> str:
        return f"Tour of {self.host_property}"

    @property
    def text(self) -> str:
        kind = self.tour_type.replace("_", "-").capitalize()
        return f"{kind} tour of {self.host_property} on {self.local}."

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.duration_minutes)

    @property
    def sequence(self) -> int:
        """One more with each change that a calendar must follow: a move, and the end of it."""
        return self.revision - 1 + self.cancelled


def invitation(
    tour: Mapping[str, Any],
    host_property: str,
    address: Mapping[str, Any],
    guest: str | None = None,
) -> Invitation:
    """Of a tour's row; `guest` is the e-mail address of who is invited."""
    local = f"{tour['tour_date'].isoformat()} at {tour['tour_time'].strftime('%H:%M')}"
    return Invitation(
        tour["id"], tour["property_id"], host_property, address_line(address), tour["starts_at"],
        tour["duration_minutes"], tour["tour_type"], f"{local} ({tour['time_zone']})",
        tour["revision"], tour["status"] == "cancelled", tour["updated_at"], guest,
    )  # fmt: skip


def address_line(address: Mapping[str, Any]) -> str:
    parts = (address.get(part) for part in _ADDRESS)
    return ", ".join(str(part) for part in parts if part)


def ics(said: Invitation) -> bytes:
    """The invitation, or its withdrawal: REQUEST or CANCEL, with one UID for all of a tour."""
    event = Event()
    event.add("uid", f"tour-{said.tour_id}@leasing-crm")
    event.add("sequence", said.sequence)
    event.add("dtstamp", said.changed_at.astimezone(UTC).replace(microsecond=0))
    event.add("dtstart", said.starts_at.astimezone(UTC))
    event.add("dtend", said.ends_at.astimezone(UTC))
    event.add("summary", said.title)
    event.add("description", said.text)
    if said.address:
        event.add("location", said.address)
    event.add("status", "CANCELLED" if said.cancelled else "CONFIRMED")
    organizer = vCalAddress(f"urn:uuid:{said.property_id}")
    organizer.params["CN"] = vText(_quotable(said.host_property))
    event["organizer"] = organizer
    if said.guest:
        event.add("attendee", vCalAddress(f"mailto:{said.guest}"))
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "CANCEL" if said.cancelled else "REQUEST")
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def links(said: Invitation) -> dict[str, str]:
    """`google` and `outlook` open a form filled in; `ics` is the file itself, as a data URI."""
    google = {
        "action": "TEMPLATE", "text": said.title, "details": said.text, "location": said.address,
        "dates": f"{_utc(said.starts_at, _BASIC)}/{_utc(said.ends_at, _BASIC)}",
    }  # fmt: skip
    outlook = {
        "path": "/calendar/action/compose", "rru": "addevent", "subject": said.title,
        "startdt": _utc(said.starts_at, _EXTENDED), "enddt": _utc(said.ends_at, _EXTENDED),
        "body": said.text, "location": said.address,
    }  # fmt: skip
    return {
        "google": f"{_GOOGLE}?{urlencode(google)}",
        "outlook": f"{_OUTLOOK}?{urlencode(outlook)}",
        "ics": f"data:{MEDIA_TYPE};charset=utf-8,{quote(ics(said).decode())}",
    }


def _utc(at: datetime, form: str) -> str:
    return at.astimezone(UTC).strftime(form)


def _quotable(text: str) -> str:
    """A parameter's value cannot hold quotation marks or control characters."""
    kept = (" " if ord(letter) < 32 or ord(letter) == 127 else letter for letter in text)
    return "".join(kept).replace('"', "'")
