"""Deeds as requests to the API, as the widget and the console send them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx2

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
from services.simulation.visitors import Visitor

SECONDS = 30.0


class Actor:
    """Acts deeds out; remembers what the API calls each visitor's conversation, lead and tour."""

    def __init__(self, url: str, homes: list[Home]) -> None:
        self.homes = homes
        self.answers: Counter[int] = Counter()
        """How often each status was answered."""
        self._client = httpx2.AsyncClient(base_url=url, timeout=SECONDS)
        self._conversations: dict[int, str] = {}
        self.leads: dict[int, str] = {}
        self._tours: dict[int, str] = {}

    async def close(self) -> None:
        await self._client.aclose()

    async def act(self, deed: Deed) -> None:
        """Send what the deed takes; what depends on something that was refused is left out."""
        who = deed.who
        lead = self.leads.get(who.number)
        match deed.what:
            case Opens():
                return
            case Says(message_id=message_id, text=text):
                said = await self._widget(who, "chat", f"chat/{message_id}", {
                    "message": text, "messageId": str(message_id),
                    "sessionId": str(who.id("session")),
                    "conversationId": self._conversations.get(who.number),
                })  # fmt: skip
                if said.get("conversationId"):
                    self._conversations[who.number] = said["conversationId"]
            case LeavesContact():
                said = await self._widget(who, "lead", "lead", {
                    "sessionId": str(who.id("session")), "firstName": who.first_name,
                    "lastName": who.last_name, "email": who.email, "phone": who.phone,
                })  # fmt: skip
                if said.get("leadId"):
                    self.leads[who.number] = said["leadId"]
            case Books() if lead:
                said = await self._console(who, "POST", f"/api/leads/{lead}/tours", "tour", {
                    "tourDate": self._day(who, deed.what), "tourTime": f"{deed.what.hour:02}:00",
                })  # fmt: skip
                if tour := said.get("tour"):
                    self._tours[who.number] = tour["id"]
            case Comes(there=there) if lead and (booked := self._tours.get(who.number)):
                status = "completed" if there else "no_show"
                sent = {"tourId": booked, "status": status}
                await self._console(who, "PATCH", f"/api/leads/{lead}/tours", "came", sent)
            case Does(what=what, number=number) if lead:
                sent = {"leadId": lead, "eventType": what.value}
                await self._console(who, "POST", "/api/leadpulse/events", f"does/{number}", sent)
            case IsCalled() | Books() | Comes() | Does():
                return

    def _day(self, who: Visitor, books: Books) -> str:
        zone = ZoneInfo(self.homes[who.home].time_zone)
        return (datetime.now(UTC).astimezone(zone) + timedelta(days=books.days)).date().isoformat()

    async def _widget(
        self, who: Visitor, route: str, key: str, body: dict[str, Any]
    ) -> dict[str, Any]:
        headers = {
            "X-API-Key": self.homes[who.home].key or "", "X-Visitor-ID": f"v_{who.number}",
            "Idempotency-Key": str(who.id(key)),
        }  # fmt: skip
        sent = {name: value for name, value in body.items() if value is not None}
        return await self._send("POST", f"/api/lumaleasing/{route}", headers, sent)

    async def _console(
        self, who: Visitor, method: str, path: str, key: str, body: dict[str, Any]
    ) -> dict[str, Any]:
        headers = {
            "Authorization": f"Bearer {self.homes[who.home].token or ''}",
            "Idempotency-Key": str(who.id(key)),
        }  # fmt: skip
        return await self._send(method, path, headers, body)

    async def _send(
        self, method: str, path: str, headers: dict[str, str], body: dict[str, Any]
    ) -> dict[str, Any]:
        answer = await self._client.request(method, path, headers=headers, json=body)
        self.answers[answer.status_code] += 1
        found = answer.json() if answer.status_code < 300 else {}
        return found if isinstance(found, dict) else {}
