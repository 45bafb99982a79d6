"""A responder without a model: it answers from the property's settings and books nothing."""

import re
from collections.abc import Mapping

from services.adapters.responder import MAX_REPLY_CHARACTERS, ResponderReply, ResponderRequest
from services.deciders.local_time import WEEKDAYS
from services.deciders.message_values import format_address

_HOURS = re.compile(r"\b(hours?|open|close[sd]?|closing|when are you)\b", re.IGNORECASE)
_PRICE = re.compile(
    r"\b(price|pricing|rent|cost|how much|rates?|deposit|fees?|specials?)\b", re.IGNORECASE
)
_PLACE = re.compile(r"\b(where|address|located|location|directions|parking)\b", re.IGNORECASE)
_GREETING = re.compile(r"^\s*(hi|hey|hello|good (morning|afternoon|evening))\b", re.IGNORECASE)


class ScriptedResponder:
    """Fixed replies about tours, hours, prices and the address; a pointer to the team otherwise."""

    async def reply(self, request: ResponderRequest) -> ResponderReply:
        return ResponderReply(compose_reply(request)[:MAX_REPLY_CHARACTERS])


def compose_reply(request: ResponderRequest) -> str:
    """Return the fixed reply to a message."""
    name = request.property_name
    if request.wants_tour and request.widget_settings.get("tours_enabled", True):
        return (
            f"We would love to show you {name}. Tell us a day and a time that suit you, and your "
            "name and e-mail address, and our team will get a tour ready for you."
        )
    if _HOURS.search(request.message):
        return _hours_reply(request)
    if _PRICE.search(request.message):
        return (
            f"Prices at {name} depend on the floor plan and your move-in date. Leave us your "
            "e-mail address and we will send you what is available now."
        )
    if _PLACE.search(request.message):
        address = format_address(request.address)
        return (
            f"{name} is at {address}." if address else f"Our team will tell you the way to {name}."
        )
    if _GREETING.search(request.message) and not request.history:
        greeting = request.widget_settings.get("greeting_message")
        return str(greeting) if greeting else f"Hi! Welcome to {name}. How can we help you today?"
    return (
        f"Thank you for asking! I can tell you about our hours, prices and tours at {name}; for "
        "anything else somebody of our team will get back to you."
    )


def _hours_reply(request: ResponderRequest) -> str:
    hours = format_hours(request)
    if not hours:
        return (
            f"Our team at {request.property_name} will tell you our hours. Shall they contact you?"
        )
    return f"{request.property_name} is open {hours}."


def format_hours(request: ResponderRequest) -> str:
    """Return the opening hours as text; empty if none are set."""
    hours = request.widget_settings.get("business_hours") or request.property_settings.get(
        "businessHours"
    )
    days = [
        f"{day.capitalize()} {span['start']}–{span['end']}"
        for day in WEEKDAYS
        if isinstance(hours, Mapping)
        and isinstance(span := hours.get(day), Mapping)
        and span.get("start")
        and span.get("end")
    ]
    return ", ".join(days)
