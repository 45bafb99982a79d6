"""Actions as CloudEvents on the intake topic, as a producer reports them. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from events.activities import ActivityType
from services.intake.publish import structured_event
from services.simulation.scenario import (
    Action,
    ChatMessage,
    ContactForm,
    PhoneCall,
    SimulatedEngagement,
    TourAttendance,
    TourBooking,
    WidgetOpening,
)
from services.simulation.simulated_property import SimulatedProperty
from services.simulation.visitors import SimulatedVisitor

SOURCE = "/simulation"
TOUR_MINUTES = 30


class RecordBuilder:
    """Builds CloudEvents from actions; it remembers which visitors have become leads."""

    def __init__(self, properties: list[SimulatedProperty], start: datetime) -> None:
        self.properties, self.start = properties, start
        self._leads: set[int] = set()

    def build(self, action: Action) -> Iterator[bytes]:
        """Yield the structured CloudEvents that report an action."""
        visitor = action.visitor
        property_ = self.properties[visitor.property_index]
        at = self.start + timedelta(seconds=action.at_seconds)
        for number, (name, data) in enumerate(self._events(action, property_, at)):
            yield structured_event(
                name, data, ce_id=str(visitor.derive_id(f"{name}/{action.at_seconds}/{number}")),
                source=SOURCE, property_id=property_.property_id, time=at.isoformat(),
            )  # fmt: skip

    def _events(
        self, action: Action, property_: SimulatedProperty, at: datetime
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the type and the data of each event."""
        visitor = action.visitor
        lead, session = visitor.derive_id("lead"), visitor.derive_id("session")
        chat = {"conversation_id": visitor.derive_id("conversation"), "session_id": session}
        match action.detail:
            case WidgetOpening():
                visitor_id = f"v_{visitor.number}"
                yield "session.started", {"session_id": session, "visitor_id": visitor_id}
                yield "conversation.started", {**chat, "channel": "widget"}
            case ChatMessage(message_id=message_id, text=text):
                message = {**chat, "message_id": message_id, "content": text}
                if visitor.number in self._leads:
                    message["lead_id"] = lead
                yield "conversation.message_received", message
            case ContactForm():
                self._leads.add(visitor.number)
                yield from _contact_events(visitor)
            case TourBooking() as booking:
                ids = {"tour_id": visitor.derive_id("tour"), "lead_id": lead}
                yield "tour.scheduled", _tour(booking, property_, at) | ids
            case TourAttendance(is_present=is_present):
                name = "tour.completed" if is_present else "tour.no_show_recorded"
                yield name, {"tour_id": visitor.derive_id("tour"), "lead_id": lead}
            case SimulatedEngagement(type=type_, number=number):
                key = visitor.derive_id(f"engagement/{number}")
                engagement = {"engagement_id": key, "lead_id": lead, "event_type": type_}
                yield "engagement.recorded", engagement
            case PhoneCall():
                yield "activity.recorded", {
                    "activity_id": visitor.derive_id("call"), "lead_id": lead,
                    "type": ActivityType.CALL_MADE, "description": "Called about the visit",
                }  # fmt: skip


def _contact_events(visitor: SimulatedVisitor) -> Iterator[tuple[str, dict[str, Any]]]:
    lead, session = visitor.derive_id("lead"), visitor.derive_id("session")
    yield "lead.captured", {
        "lead_id": lead, "source": visitor.source, "first_name": visitor.first_name,
        "last_name": visitor.last_name, "email": visitor.email, "phone": visitor.phone,
        "session_id": session,
    }  # fmt: skip
    yield "session.identified", {
        "session_id": session, "lead_id": lead,
        "conversation_ids": [visitor.derive_id("conversation")],
    }  # fmt: skip


def _tour(booking: TourBooking, property_: SimulatedProperty, at: datetime) -> dict[str, Any]:
    zone = ZoneInfo(property_.time_zone)
    day = at.astimezone(zone).date() + timedelta(days=booking.days)
    local = datetime.combine(day, time(booking.hour), zone)
    return {
        "tour_date": day, "tour_time": time(booking.hour), "time_zone": property_.time_zone,
        "fold": 0, "starts_at": local.astimezone(UTC), "duration_minutes": TOUR_MINUTES,
        "tour_type": "in_person", "source": "simulation",
    }  # fmt: skip
