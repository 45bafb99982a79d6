"""Deeds as CloudEvents on the intake topic, as a producer would report them. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from events.engagements import ActivityType
from services.intake.publish import structured
from services.simulation.property import Home
from services.simulation.scenario import (
    Books,
    Comes,
    Deed,
    Does,
    IsCalled,
    LeavesContact,
    Opens,
    Says,
)

SOURCE = "/simulation"
TOUR_MINUTES = 30


class Reporter:
    """Turns deeds into events; remembers who has become a lead, as the reporter of a chat would."""

    def __init__(self, homes: list[Home], start: datetime) -> None:
        self.homes, self.start = homes, start
        self._leads: set[int] = set()

    def events(self, deed: Deed) -> Iterator[bytes]:
        """The structured CloudEvents that report a deed."""
        home, at = self.homes[deed.who.home], self.start + timedelta(seconds=deed.at_seconds)
        for number, (name, data) in enumerate(self._said(deed, home, at)):
            yield structured(
                name, data, ce_id=str(deed.who.id(f"{name}/{deed.at_seconds}/{number}")),
                source=SOURCE, property_id=home.property_id, time=at.isoformat(),
            )  # fmt: skip

    def _said(self, deed: Deed, home: Home, at: datetime) -> Iterator[tuple[str, dict[str, Any]]]:
        who = deed.who
        lead, session = who.id("lead"), who.id("session")
        known = {"lead_id": lead} if who.number in self._leads else {}
        chat = {"conversation_id": who.id("conversation"), "session_id": session}
        match deed.what:
            case Opens():
                yield "session.started", {"session_id": session, "visitor_id": f"v_{who.number}"}
                yield "conversation.started", {**chat, "channel": "widget"}
            case Says(message_id=message_id, text=text):
                said = {**chat, **known, "message_id": message_id, "content": text}
                yield "conversation.message_received", said
            case LeavesContact():
                self._leads.add(who.number)
                yield "lead.captured", {
                    "lead_id": lead, "source": who.source, "first_name": who.first_name,
                    "last_name": who.last_name, "email": who.email, "phone": who.phone,
                    "session_id": session,
                }  # fmt: skip
                yield "session.identified", {
                    "session_id": session, "lead_id": lead,
                    "conversation_ids": [chat["conversation_id"]],
                }  # fmt: skip
            case Books():
                yield "tour.scheduled", _tour(deed.what, home, at) | {
                    "tour_id": who.id("tour"), "lead_id": lead,
                }  # fmt: skip
            case Comes(there=there):
                name = "tour.completed" if there else "tour.no_show_recorded"
                yield name, {"tour_id": who.id("tour"), "lead_id": lead}
            case Does(what=what, number=number):
                key = who.id(f"engagement/{number}")
                said = {"engagement_id": key, "lead_id": lead, "event_type": what}
                yield "engagement.recorded", said
            case IsCalled():
                yield "activity.recorded", {
                    "activity_id": who.id("call"), "lead_id": lead,
                    "type": ActivityType.CALL_MADE, "description": "Called about the visit",
                }  # fmt: skip


def _tour(books: Books, home: Home, at: datetime) -> dict[str, Any]:
    zone = ZoneInfo(home.time_zone)
    day = at.astimezone(zone).date() + timedelta(days=books.days)
    local = datetime.combine(day, time(books.hour), zone)
    return {
        "tour_date": day, "tour_time": time(books.hour), "time_zone": home.time_zone, "fold": 0,
        "starts_at": local.astimezone(UTC), "duration_minutes": TOUR_MINUTES,
        "tour_type": "in_person", "source": "simulation",
    }  # fmt: skip
