"""The limits of what visitors take at a property without an agent's help, from its settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from services.deciders.decider import Refused
from services.deciders.local_time import load_zone
from services.deciders.slot_schedule import OFFERED_DAYS, TourHours, list_slots
from services.deciders.slot_times import SlotTime

MIN_HELD_PLACES = 2
"""The places of a property that can be held at once, however small the share is."""


@dataclass(frozen=True, slots=True)
class VisitorLimits:
    """The limits of a property. They count live slot holds, and tours in the future."""

    holds_per_visitor: int = 2
    holds_per_network: int = 10
    tours_per_contact: int = 3
    tours_per_network: int = 20
    held_percent: int = 25

    def max_held_places(self, places: int) -> int:
        """Return how many of the places that are offered may be held at the same time."""
        return max(MIN_HELD_PLACES, places * self.held_percent // 100)


@dataclass(frozen=True, slots=True)
class HeldPlaces:
    """The numbers of live holds: of the visitor, of the session, of the network, and of all."""

    of_visitor: int
    of_session: int
    of_network: int
    of_property: int


@dataclass(frozen=True, slots=True)
class FutureTours:
    """The numbers of tours in the future that visitors booked: for a lead, and from a network."""

    of_contact: int
    of_network: int


def parse_visitor_limits(settings: Mapping[str, Any]) -> VisitorLimits:
    """Return the limits in a widget's settings; a missing setting has its default."""
    names = {
        "holds_per_visitor": "tour_holds_per_visitor",
        "holds_per_network": "tour_holds_per_network",
        "tours_per_contact": "future_tours_per_contact",
        "tours_per_network": "future_tours_per_network",
        "held_percent": "tour_held_percent",
    }
    values = {field: settings.get(name) for field, name in names.items()}
    return VisitorLimits(**{field: value for field, value in values.items() if value is not None})


def count_offered_places(slot: SlotTime, hours: TourHours, now: datetime) -> int:
    """Return the places in all slots of the slot's property that the widget lists by default."""
    today = now.astimezone(load_zone(slot.time_zone)).date()
    last = today + timedelta(days=OFFERED_DAYS)
    listed = list_slots(slot.property_id, slot.time_zone, hours, today, last)
    return len(listed) * hours.capacity


def require_hold(limits: VisitorLimits, held: HeldPlaces, max_held_places: int) -> None:
    """Raise `Refused` if one more hold is above a limit. The holds do not include the new one."""
    own = max(held.of_visitor, held.of_session)
    if own >= limits.holds_per_visitor:
        raise Refused(
            "too_many_holds", f"{own} places are held for this visitor: book one of them first"
        )
    if held.of_network >= limits.holds_per_network or held.of_property >= max_held_places:
        raise Refused(
            "too_many_holds",
            "too many places are held now: book the tour without a hold, or try again later",
        )


def exceeds_contact_limit(limits: VisitorLimits, tours: FutureTours) -> bool:
    """Return whether one more tour is more than a contact gets without an agent's help."""
    return tours.of_contact >= limits.tours_per_contact


def require_network_tour(limits: VisitorLimits, tours: FutureTours) -> None:
    """Raise `Refused` if one more tour is above the limit of the network."""
    if tours.of_network >= limits.tours_per_network:
        raise too_many_tours(tours.of_network)


def too_many_tours(number: int) -> Refused:
    return Refused(
        "too_many_tours",
        f"{number} tours in the future are booked from here: ask the leasing team for another one",
    )
