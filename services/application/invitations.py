"""A tour as an iCalendar invitation, and as links to the forms of web calendars."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from icalendar import Calendar, Event, vCalAddress, vText

from services.deciders.contacts import normalize_email
from services.deciders.decider import Refused
from services.deciders.host_names import encode_host
from services.deciders.message_values import format_address
from services.host import HostProperty

MEDIA_TYPE = "text/calendar"
PRODUCT = "-//leasing-crm//tours//EN"
_GOOGLE = "https://calendar.google.com/calendar/render"
_OUTLOOK = "https://outlook.live.com/calendar/0/deeplink/compose"
NO_ORGANIZER = "no-reply@leasing-crm.invalid"
"""The organizer of a property without an e-mail address. It receives nothing (RFC 2606)."""
_EMAIL_KEYS = ("contact_email", "contactEmail", "email")
_SAFE_IN_MAILTO = "!$'*+-./=_`{|}~"
_BASIC_FORMAT, _EXTENDED_FORMAT = "%Y%m%dT%H%M%SZ", "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Invitation:
    """The content of an invitation.

    Times are instants in UTC, so the file needs no time zone definitions. `local_time` is the
    local time as text for people. `revision` counts the moves of the tour, from 1. `changed_at` is
    the tour's last change. `organizer` and `attendee` are e-mail addresses.
    """

    tour_id: UUID
    property_id: UUID
    property_name: str
    address: str
    starts_at: datetime
    duration_minutes: int
    tour_type: str
    local_time: str
    revision: int
    is_cancelled: bool
    changed_at: datetime
    organizer: str
    attendee: str | None = None

    @property
    def method(self) -> str:
        """The METHOD of the file: a request needs an attendee (RFC 5546, 3.2.2 and 3.2.5)."""
        if self.attendee is None:
            return "PUBLISH"
        return "CANCEL" if self.is_cancelled else "REQUEST"

    @property
    def title(self) -> str:
        return f"Tour of {self.property_name}"

    @property
    def text(self) -> str:
        kind = self.tour_type.replace("_", "-").capitalize()
        return f"{kind} tour of {self.property_name} on {self.local_time}."

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.duration_minutes)

    @property
    def sequence(self) -> int:
        """The SEQUENCE of the file: a calendar ignores a change whose number is not higher."""
        return self.revision - 1 + self.is_cancelled


def build_invitation(
    tour: Mapping[str, Any], host_property: HostProperty, attendee: str | None = None
) -> Invitation:
    """Return the invitation to a tour. `tour` is a row of the table of tours.

    An `attendee` that is not an e-mail address is left out.
    """
    local_time = f"{tour['tour_date'].isoformat()} at {tour['tour_time'].strftime('%H:%M')}"
    return Invitation(
        tour["id"], tour["property_id"], host_property.name,
        format_address(host_property.address) or "", tour["starts_at"], tour["duration_minutes"],
        tour["tour_type"], f"{local_time} ({tour['time_zone']})", tour["revision"],
        tour["status"] == "cancelled", tour["updated_at"], _organizer(host_property),
        _valid_email(attendee),
    )  # fmt: skip


def build_calendar_file(invitation: Invitation) -> bytes:
    """Return the calendar file: METHOD REQUEST or, for a cancelled tour, CANCEL.

    Without an attendee it is PUBLISH. All files of a tour have the same UID, so a calendar replaces
    the earlier entry.
    """
    event = Event()
    event.add("uid", f"tour-{invitation.tour_id}@leasing-crm")
    event.add("sequence", invitation.sequence)
    event.add("dtstamp", invitation.changed_at.astimezone(UTC).replace(microsecond=0))
    event.add("dtstart", invitation.starts_at.astimezone(UTC))
    event.add("dtend", invitation.ends_at.astimezone(UTC))
    event.add("summary", invitation.title)
    event.add("description", invitation.text)
    if invitation.address:
        event.add("location", invitation.address)
    event.add("status", "CANCELLED" if invitation.is_cancelled else "CONFIRMED")
    organizer = vCalAddress(_mailto(invitation.organizer))
    organizer.params["CN"] = vText(_quotable(invitation.property_name))
    event["organizer"] = organizer
    if invitation.attendee is not None:
        attendee = vCalAddress(_mailto(invitation.attendee))
        attendee.params["ROLE"] = vText("REQ-PARTICIPANT")
        attendee.params["PARTSTAT"] = vText("ACCEPTED")  # the visitor chose the time
        event["attendee"] = attendee
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", invitation.method)
    calendar.add_component(event)
    return bytes(calendar.to_ical())


def build_links(invitation: Invitation) -> dict[str, str]:
    """Return the links of the booking response.

    `google` and `outlook` open a form that contains the tour. `ics` is the file as a data URI.
    """
    starts_at, ends_at = invitation.starts_at, invitation.ends_at
    google = {
        "action": "TEMPLATE", "text": invitation.title, "details": invitation.text,
        "location": invitation.address,
        "dates": f"{_format(starts_at, _BASIC_FORMAT)}/{_format(ends_at, _BASIC_FORMAT)}",
    }  # fmt: skip
    outlook = {
        "path": "/calendar/action/compose", "rru": "addevent", "subject": invitation.title,
        "startdt": _format(starts_at, _EXTENDED_FORMAT),
        "enddt": _format(ends_at, _EXTENDED_FORMAT),
        "body": invitation.text, "location": invitation.address,
    }  # fmt: skip
    file = quote(build_calendar_file(invitation).decode())
    return {
        "google": f"{_GOOGLE}?{urlencode(google)}",
        "outlook": f"{_OUTLOOK}?{urlencode(outlook)}",
        "ics": f"data:{MEDIA_TYPE};charset=utf-8,{file}",
    }


def _organizer(host_property: HostProperty) -> str:
    """Return the first e-mail address that the property's settings or its address name."""
    for values in (host_property.settings, host_property.address):
        for key in _EMAIL_KEYS:
            if address := _valid_email(values.get(key)):
                return address
    return NO_ORGANIZER


def _valid_email(value: object) -> str | None:
    try:
        return normalize_email(value) if isinstance(value, str) else None
    except Refused:
        return None


def _mailto(address: str) -> str:
    """Return the address as a URI: the local part percent-encoded, the host in ASCII (RFC 6068)."""
    local, _, host = address.rpartition("@")
    return f"mailto:{quote(local, safe=_SAFE_IN_MAILTO)}@{encode_host(host)}"


def _format(at: datetime, form: str) -> str:
    return at.astimezone(UTC).strftime(form)


def _quotable(text: str) -> str:
    """Return a text for a parameter: quotation marks and control characters are not allowed."""
    printable = (" " if ord(char) < 32 or ord(char) == 127 else char for char in text)
    return "".join(printable).replace('"', "'")
