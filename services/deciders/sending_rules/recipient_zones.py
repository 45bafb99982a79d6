"""The time zones in which the recipient of a message may be."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers.timezone import time_zones_for_number

from services.deciders.decider import Refused
from services.deciders.local_time import load_zone
from services.deciders.sending_rules.context import SendingContext
from services.deciders.sending_rules.property_rules import EARLIEST, LATEST
from services.deciders.sending_rules.time_windows import find_opening


class RecipientZones(NamedTuple):
    """The zones, and where they come from: `lead`, `number`, `property` or `none`."""

    zones: Sequence[ZoneInfo]
    source: str

    @property
    def names(self) -> list[str]:
        return [zone.key for zone in self.zones]


def find_zones(context: SendingContext) -> RecipientZones:
    """Return the zone of the lead; else those of its number; else that of the property.

    A number without an area, such as a free one, has the zones of its whole country. Zones that
    have no hours of sending in common say nothing: the property's zone is used then.
    """
    if lead := _load([context.lead_zone]):
        return RecipientZones(lead, "lead")
    of_number = _load(_zones_of_number(context.lead_phone))
    day = context.now
    opening = find_opening(day, of_number, EARLIEST, LATEST) if of_number else None
    if opening is not None and opening <= day + timedelta(days=2):
        return RecipientZones(of_number, "number")
    if of_property := _load([context.property_zone]):
        return RecipientZones(of_property, "property")
    return RecipientZones((), "none")


def _zones_of_number(number: str | None) -> Sequence[str]:
    if not number:
        return ()
    try:
        return sorted(time_zones_for_number(phonenumbers.parse(number)))
    except phonenumbers.NumberParseException:
        return ()


def _load(names: Sequence[str | None]) -> list[ZoneInfo]:
    """Return the zones that the IANA database has; a number of no country has `Etc/Unknown`."""
    zones = []
    for name in names:
        try:
            zones += [load_zone(name)] if name else []
        except Refused:
            continue
    return zones
