"""Actions as HTTP requests, as the widget and the console send them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx2

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

TIMEOUT_SECONDS = 30.0


class HttpSender:
    """Sends actions to the API, and keeps the ids that the API gave to each visitor's entities.

    `status_counts` is the number of responses by HTTP status; `leads` is lead ids by visitor.
    """

    def __init__(self, url: str, properties: list[SimulatedProperty]) -> None:
        self.properties = properties
        self.status_counts: Counter[int] = Counter()
        self.leads: dict[int, str] = {}
        self._client = httpx2.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS)
        self._conversations: dict[int, str] = {}
        self._tours: dict[int, str] = {}

    async def close(self) -> None:
        await self._client.aclose()

    async def send(self, action: Action) -> None:
        """Send the requests of an action; skip it if it needs something that was refused before."""
        visitor = action.visitor
        lead = self.leads.get(visitor.number)
        match action.detail:
            case ChatMessage() as message:
                await self._send_message(visitor, message)
            case ContactForm():
                await self._send_contact(visitor)
            case TourBooking() as booking if lead:
                await self._book_tour(visitor, lead, booking)
            case TourAttendance(is_present=is_present) if lead:
                await self._report_attendance(visitor, lead, is_present)
            case SimulatedEngagement(type=type_, number=number) if lead:
                body = {"leadId": lead, "eventType": type_.value}
                path = "/api/leadpulse/events"
                await self._send_console(visitor, "POST", path, f"does/{number}", body)
            case WidgetOpening() | PhoneCall():
                return  # no request of the widget or the console
            case TourBooking() | TourAttendance() | SimulatedEngagement():
                return  # the visitor is no lead: the contact was refused

    async def _send_message(self, visitor: SimulatedVisitor, message: ChatMessage) -> None:
        answer = await self._send_widget(visitor, "chat", f"chat/{message.message_id}", {
            "message": message.text, "messageId": str(message.message_id),
            "sessionId": str(visitor.derive_id("session")),
            "conversationId": self._conversations.get(visitor.number),
        })  # fmt: skip
        if answer.get("conversationId"):
            self._conversations[visitor.number] = answer["conversationId"]

    async def _send_contact(self, visitor: SimulatedVisitor) -> None:
        answer = await self._send_widget(visitor, "lead", "lead", {
            "sessionId": str(visitor.derive_id("session")), "firstName": visitor.first_name,
            "lastName": visitor.last_name, "email": visitor.email, "phone": visitor.phone,
        })  # fmt: skip
        if answer.get("leadId"):
            self.leads[visitor.number] = answer["leadId"]

    async def _book_tour(self, visitor: SimulatedVisitor, lead: str, booking: TourBooking) -> None:
        zone = ZoneInfo(self.properties[visitor.property_index].time_zone)
        day = datetime.now(UTC).astimezone(zone) + timedelta(days=booking.days)
        body = {"tourDate": day.date().isoformat(), "tourTime": f"{booking.hour:02}:00"}
        answer = await self._send_console(visitor, "POST", f"/api/leads/{lead}/tours", "tour", body)
        if tour := answer.get("tour"):
            self._tours[visitor.number] = tour["id"]

    async def _report_attendance(
        self, visitor: SimulatedVisitor, lead: str, is_present: bool
    ) -> None:
        tour = self._tours.get(visitor.number)
        if tour is not None:
            body = {"tourId": tour, "status": "completed" if is_present else "no_show"}
            await self._send_console(visitor, "PATCH", f"/api/leads/{lead}/tours", "came", body)

    async def _send_widget(
        self, visitor: SimulatedVisitor, route: str, key: str, body: dict[str, Any]
    ) -> dict[str, Any]:
        headers = {
            "X-API-Key": self.properties[visitor.property_index].key or "",
            "X-Visitor-ID": f"v_{visitor.number}",
            "Idempotency-Key": str(visitor.derive_id(key)),
        }
        given = {name: value for name, value in body.items() if value is not None}
        return await self._request("POST", f"/api/lumaleasing/{route}", headers, given)

    async def _send_console(
        self, visitor: SimulatedVisitor, method: str, path: str, key: str, body: dict[str, Any]
    ) -> dict[str, Any]:
        headers = {
            "Authorization": f"Bearer {self.properties[visitor.property_index].token or ''}",
            "Idempotency-Key": str(visitor.derive_id(key)),
        }
        return await self._request(method, path, headers, body)

    async def _request(
        self, method: str, path: str, headers: dict[str, str], body: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the JSON object of a successful response, otherwise an empty one."""
        response = await self._client.request(method, path, headers=headers, json=body)
        self.status_counts[response.status_code] += 1
        answer = response.json() if response.status_code < 300 else {}
        return answer if isinstance(answer, dict) else {}
