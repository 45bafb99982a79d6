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


def address_of(visitor: SimulatedVisitor) -> str:
    """Return an address of 198.18.0.0/15, which is reserved for tests (RFC 2544).

    Visitors have different networks. `crm up` trusts the header, so they do not share the limits
    of one network.
    """
    return f"198.{18 + visitor.number // 256 % 2}.{visitor.number % 256}.1"


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
            case SimulatedEngagement(type=type_, number=number) if lead:
                body = {"leadId": lead, "eventType": type_.value}
                path = "/api/leadpulse/events"
                await self._send_console(visitor, "POST", path, f"does/{number}", body)
            case WidgetOpening() | PhoneCall():
                return  # no request of the widget or the console
            case TourAttendance():
                return  # the API's clock is the real one: the tour is still in the future
            case TourBooking() | SimulatedEngagement():
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
        if answer and (lead := await self._find_lead(visitor)):
            self.leads[visitor.number] = lead

    async def _find_lead(self, visitor: SimulatedVisitor) -> str | None:
        """Return the id of a visitor's lead.

        The widget gets only a reference. The console refuses a second lead with the same address,
        and names the first one. A search would read the tables, which are behind the log, and
        which nobody writes while the demo has killed the projector.
        """
        property_ = self.properties[visitor.property_index]
        response = await self._client.post(
            "/api/leads", headers={"Authorization": f"Bearer {property_.token or ''}"},
            json={"propertyId": str(property_.property_id), "email": visitor.email},
        )  # fmt: skip
        lead_id: str | None = response.json().get("lead", {}).get("id")
        return lead_id

    async def _book_tour(self, visitor: SimulatedVisitor, lead: str, booking: TourBooking) -> None:
        zone = ZoneInfo(self.properties[visitor.property_index].time_zone)
        day = datetime.now(UTC).astimezone(zone) + timedelta(days=booking.days)
        body = {"tourDate": day.date().isoformat(), "tourTime": f"{booking.hour:02}:00"}
        await self._send_console(visitor, "POST", f"/api/leads/{lead}/tours", "tour", body)

    async def _send_widget(
        self, visitor: SimulatedVisitor, route: str, key: str, body: dict[str, Any]
    ) -> dict[str, Any]:
        headers = {
            "X-API-Key": self.properties[visitor.property_index].key or "",
            "X-Visitor-ID": f"v_{visitor.number}",
            "X-Forwarded-For": address_of(visitor),
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
