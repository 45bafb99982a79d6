"""A responder without a model: it answers from the property's settings and promises nothing."""

import re
from collections.abc import Mapping

from services.adapters.responder import LONGEST_ANSWER, Response, Turn

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_HOURS = re.compile(r"\b(hours?|open|close[sd]?|closing|when are you)\b", re.IGNORECASE)
_PRICE = re.compile(
    r"\b(price|pricing|rent|cost|how much|rates?|deposit|fees?|specials?)\b", re.IGNORECASE
)
_PLACE = re.compile(r"\b(where|address|located|location|directions|parking)\b", re.IGNORECASE)
_GREETING = re.compile(r"^\s*(hi|hey|hello|good (morning|afternoon|evening))\b", re.IGNORECASE)


class Scripted:
    """Greeting, hours, tours, price pointers, address; a person for the rest."""

    async def reply(self, turn: Turn) -> Response:
        return Response(answer(turn)[:LONGEST_ANSWER])


def answer(turn: Turn) -> str:
    """What the script says to a message."""
    name = turn.host_property.name
    if turn.wants_tour and turn.settings.get("tours_enabled", True):
        return (
            f"We would love to show you {name}. Tell us a day and a time that suit you, and your "
            "name and e-mail address, and our team will get a tour ready for you."
        )
    if _HOURS.search(turn.message):
        return _hours(turn)
    if _PRICE.search(turn.message):
        return (
            f"Prices at {name} depend on the floor plan and your move-in date. Leave us your "
            "e-mail address and we will send you what is available now."
        )
    if _PLACE.search(turn.message):
        address = address_of(turn)
        return (
            f"{name} is at {address}." if address else f"Our team will tell you the way to {name}."
        )
    if _GREETING.search(turn.message) and not turn.history:
        greeting = turn.settings.get("greeting_message")
        return str(greeting) if greeting else f"Hi! Welcome to {name}. How can we help you today?"
    return (
        f"Thank you for asking! I can tell you about our hours, prices and tours at {name}; for "
        "anything else somebody of our team will get back to you."
    )


def _hours(turn: Turn) -> str:
    hours = hours_of(turn)
    if not hours:
        return f"Our team at {turn.host_property.name} will tell you our hours. Shall they contact you?"
    return f"{turn.host_property.name} is open {hours}."


def hours_of(turn: Turn) -> str:
    """When the property is open, in words; empty where nobody has said."""
    hours = turn.settings.get("business_hours") or turn.host_property.settings.get("businessHours")
    spoken = [
        f"{day.capitalize()} {span['start']}–{span['end']}"
        for day in DAYS
        if isinstance(hours, Mapping)
        and isinstance(span := hours.get(day), Mapping)
        and span.get("start")
        and span.get("end")
    ]
    return ", ".join(spoken)


def address_of(turn: Turn) -> str:
    """The property's address on one line; empty where the host has none."""
    parts = (
        turn.host_property.address.get(part) for part in ("street", "line1", "city", "state", "zip")
    )
    return ", ".join(str(part) for part in parts if part)
