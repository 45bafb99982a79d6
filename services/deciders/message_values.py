"""The values of template variables: a lead, its property and its tour as readable text."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from services.deciders.local_time import WEEKDAYS
from services.deciders.rendering import Values

_TYPES = {"in_person": "in person", "virtual": "virtual", "self_guided": "self-guided"}
_FULL = ("formatted", "full", "line")
_STREET = (("street", "line1", "address1", "address_line1", "address"), ("unit", "line2"))
_CITY = (("city", "town"), ("state", "region"), ("zip", "zip_code", "postal_code", "postcode"))


@dataclass(frozen=True, slots=True)
class TourDetails:
    """The tour that a message is about, in the local time of the property."""

    tour_date: date
    tour_time: time
    tour_type: str


def collect_values(
    lead: Mapping[str, Any],
    property_name: str,
    address: Mapping[str, Any],
    settings: Mapping[str, Any],
    tour: TourDetails | None,
) -> Values:
    """Return variable → value, None if unknown; `settings` are those of the property."""
    link = settings.get("tour_link")
    values: dict[str, str | None] = {
        "first_name": lead.get("first_name"),
        "last_name": lead.get("last_name"),
        "property_name": property_name,
        "property_address": format_address(address),
        "tour_link": link if isinstance(link, str) else None,
    }
    if tour is None:
        return values
    return values | {
        "tour_date": format_date(tour.tour_date),
        "tour_time": format_time(tour.tour_time),
        "tour_type": _TYPES.get(tour.tour_type, tour.tour_type),
    }


def format_address(address: Mapping[str, Any]) -> str | None:
    """Return the address on one line, whatever the host calls its parts; None if it has none.

    >>> format_address({"street": "12 Oak St", "city": "Austin", "state": "TX", "zip": "78701"})
    '12 Oak St, Austin, TX 78701'
    """
    if full := _first(address, _FULL):
        return full
    street = ", ".join(filter(None, (_first(address, names) for names in _STREET)))
    city, state, code = (_first(address, names) for names in _CITY)
    parts = [street, city, " ".join(filter(None, (state, code)))]
    return ", ".join(filter(None, parts)) or None


def format_date(day: date) -> str:
    """Return a date such as `Thursday, May 14, 2026`."""
    return f"{WEEKDAYS[day.weekday()].capitalize()}, {_MONTHS[day.month - 1]} {day.day}, {day.year}"


def format_time(at: time) -> str:
    """Return a time such as `2:30 PM`."""
    return f"{at.hour % 12 or 12}:{at.minute:02d} {'AM' if at.hour < 12 else 'PM'}"


# Not strftime: its names depend on the locale of the process.
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


def _first(address: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = address.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    return None
