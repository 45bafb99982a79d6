"""Wording: what a message may say of a lead, its property and its tour, as people write it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from services.deciders.rendering import Values

_TYPES = {"in_person": "in person", "virtual": "virtual", "self_guided": "self-guided"}
_WHOLE = ("formatted", "full", "line")
_STREET = (("street", "line1", "address1", "address_line1", "address"), ("unit", "line2"))
_PLACE = (("city", "town"), ("state", "region"), ("zip", "zip_code", "postal_code", "postcode"))


@dataclass(frozen=True, slots=True)
class TourTold:
    """The tour a message is about: its time on the property's wall clock."""

    tour_date: date
    tour_time: time
    tour_type: str


def values_of(
    lead: Mapping[str, Any],
    property_name: str,
    address: Mapping[str, Any],
    settings: Mapping[str, Any],
    tour: TourTold | None,
) -> Values:
    """Every variable with what is known of it; `settings` are the property's own."""
    link = settings.get("tour_link")
    known: dict[str, str | None] = {
        "first_name": lead.get("first_name"),
        "last_name": lead.get("last_name"),
        "property_name": property_name,
        "property_address": address_of(address),
        "tour_link": link if isinstance(link, str) else None,
    }
    if tour is None:
        return known
    return known | {
        "tour_date": day_of(tour.tour_date),
        "tour_time": clock_of(tour.tour_time),
        "tour_type": _TYPES.get(tour.tour_type, tour.tour_type),
    }


def address_of(address: Mapping[str, Any]) -> str | None:
    """`12 Oak St, Austin, TX 78701` of whatever the host calls its parts; None where it has none.

    >>> address_of({"street": "12 Oak St", "city": "Austin", "state": "TX", "zip": "78701"})
    '12 Oak St, Austin, TX 78701'
    """
    if whole := _first(address, _WHOLE):
        return whole
    street = ", ".join(filter(None, (_first(address, names) for names in _STREET)))
    city, state, code = (_first(address, names) for names in _PLACE)
    parts = [street, city, " ".join(filter(None, (state, code)))]
    return ", ".join(filter(None, parts)) or None


def day_of(day: date) -> str:
    """As in `Thursday, May 14, 2026`."""
    return f"{_DAYS[day.weekday()]}, {_MONTHS[day.month - 1]} {day.day}, {day.year}"


def clock_of(at: time) -> str:
    """As in `2:30 PM`."""
    return f"{at.hour % 12 or 12}:{at.minute:02d} {'AM' if at.hour < 12 else 'PM'}"


# Not strftime: its names follow the process's locale.
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


def _first(address: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        found = address.get(name)
        if isinstance(found, str | int) and not isinstance(found, bool) and str(found).strip():
            return str(found).strip()
    return None
