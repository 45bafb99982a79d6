"""The part of the demo about messages: five days of follow-ups in half a minute.

The default workflows are active. Ada asks a question and is nurtured. Ben books a tour, is reminded
and does not come. Cleo writes late in the evening, so her message waits until the morning.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import httpx2

from services.demo.commands import CommandRunner
from services.demo.demo_time import DemoTime
from services.demo.local_providers import LocalProviders
from services.runtime.terminal import NOTES, Failure, note, print_line, print_rows

ZONE = ZoneInfo("America/New_York")
DAYS = 5
WAIT_SECONDS, PAUSE_SECONDS = 120.0, 0.2
WORKFLOWS = "/api/workflows"
ADA, BEN, CLEO = (
    {"firstName": name, "email": f"{name.lower()}@example.com", "phone": f"+1212555010{number}"}
    for number, name in enumerate(("Ada", "Ben", "Cleo"), 1)
)
HANDED_OVER = "SELECT count(*) FROM crm_events WHERE event_type = 'delivery.handed_over'"


@dataclass(frozen=True, slots=True)
class FollowUpSetup:
    """The setting of the story: a property with its key and token, servers and the clock."""

    property_id: str
    key: str
    token: str
    url: str
    providers: LocalProviders
    time: DemoTime


def first_morning() -> datetime:
    """Return 10:00 in New York, five days ago."""
    day = datetime.now(ZONE).date() - timedelta(days=DAYS)
    return datetime.combine(day, time(10), ZONE)


class FollowUps:
    """The story, on a running stack whose time is `first_morning`."""

    def __init__(
        self, setup: FollowUpSetup, pool: asyncpg.Pool, commands: CommandRunner, start: datetime
    ) -> None:
        self.setup, self.pool, self.commands, self.start = setup, pool, commands, start
        self.client = httpx2.AsyncClient(
            base_url=setup.url, timeout=10, headers={"Authorization": f"Bearer {setup.token}"}
        )

    async def run(self) -> None:
        """Let five days pass; raise `Failure` if a message is missing or was sent twice."""
        async with self.client:
            NOTES.rule("activate the default workflows, and let five days pass")
            await self._activate()
            await self._tell()
            await self._show()
        self.setup.time.set_real()

    async def _tell(self) -> None:
        ada = await self._create_lead(ADA)
        ben, tour = await self._book_tour()
        await self._wait("Ben's confirmation by SMS and e-mail", HANDED_OVER, 2)
        await self._show_planned(ben)
        await self._pass_time(0, "10:06", "Ada's first SMS, after five minutes", 3)
        self._set(0, "20:58")
        cleo = await self._create_lead(CLEO)
        self._set(0, "21:04")
        await self._wait(
            "Cleo's SMS is due at 21:03, and held until the morning",
            "SELECT count(*) FROM crm_events WHERE event_type = 'delivery.held' AND lead_id = $1",
            1, cleo,
        )  # fmt: skip
        await self.commands.run("why-not-sent", str(cleo))
        await self._pass_time(1, "08:01", "Cleo's SMS in the morning", 4)
        await self._pass_time(1, "14:01", "Ben's reminders, a day before, and Ada's e-mail", 7)
        await self._pass_time(2, "13:01", "Ben's reminders, an hour before, and Cleo's e-mail", 10)
        self._set(2, "15:31")
        await self._wait(
            "Ben did not come: a no-show, one hour after the end of the tour",
            "SELECT count(*) FROM crm_events WHERE event_type = 'tour.no_show_recorded' "
            "AND entity_id = $1", 1, tour,
        )  # fmt: skip
        await self._wait(
            "the recovery begins",
            "SELECT count(*) FROM crm_events WHERE event_type = 'run.enrolled' AND lead_id = $1",
            1, ben,
        )  # fmt: skip
        await self._pass_time(2, "17:32", "Ben's SMS after the no-show", 11)
        await self._pass_time(3, "18:00", "Ben's e-mail, and Ada's second SMS", 13)
        await self._pass_time(4, "13:05", "Cleo's second SMS", 14)
        await self.commands.run("why-not-sent", str(ada))

    async def _activate(self) -> None:
        """Activate all default templates, then the workflows that use them."""
        for row in await self._list("templates", 13):
            await self._send("PATCH", f"{WORKFLOWS}/templates/{row['id']}", {"isActive": True})
        for row in await self._list("definitions", 3):
            await self._send("POST", f"{WORKFLOWS}/definitions/{row['id']}/activate", {})

    async def _list(self, kind: str, expected: int) -> list[dict[str, Any]]:
        """Return templates or definitions as soon as the tables contain them."""
        query = {"propertyId": self.setup.property_id}
        for _ in range(int(WAIT_SECONDS / PAUSE_SECONDS)):
            response = await self.client.get(f"{WORKFLOWS}/{kind}", params=query)
            rows = response.json().get(kind, []) if response.is_success else []
            if len(rows) >= expected:
                return list(rows)
            await asyncio.sleep(PAUSE_SECONDS)
        raise Failure(f"the property has no default {kind} after {WAIT_SECONDS:g} s")

    async def _create_lead(self, details: dict[str, str]) -> UUID:
        body = {"propertyId": self.setup.property_id, "source": "phone", **details}
        lead = (await self._send("POST", "/api/leads", body))["lead"]
        await self._wait(
            f"{details['firstName']} is a lead: the nurture begins",
            "SELECT count(*) FROM crm_events WHERE event_type = 'run.enrolled' AND lead_id = $1",
            1, UUID(lead["id"]),
        )  # fmt: skip
        return UUID(lead["id"])

    async def _book_tour(self) -> tuple[UUID, UUID]:
        """Book a tour as a visitor, the day after tomorrow at 14:00; return lead and tour."""
        headers = {"X-API-Key": self.setup.key, "X-Visitor-ID": "v_ben"}
        day = (self.start + timedelta(days=2)).date().isoformat()
        body = {"tourDate": day, "tourTime": "14:00", "leadInfo": BEN}
        async with httpx2.AsyncClient(base_url=self.setup.url, timeout=10) as visitor:
            response = await visitor.post("/api/lumaleasing/tours", json=body, headers=headers)
        if not response.is_success:
            raise Failure(f"the booking failed: {response.text}")
        tour_id = UUID(response.json()["booking"]["id"])
        lead_id: UUID = await self.pool.fetchval(
            "SELECT lead_id FROM crm_events WHERE entity_id = $1 AND version = 1", tour_id
        )
        return lead_id, tour_id

    async def _send(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        response = await self.client.request(method, path, json=body)
        if not response.is_success:
            raise Failure(f"{method} {path} failed: {response.text}")
        content: dict[str, Any] = response.json()
        return content

    def _set(self, day: int, clock: str) -> datetime:
        at = time.fromisoformat(clock)
        now = datetime.combine(self.start.date() + timedelta(days=day), at, ZONE)
        self.setup.time.set(now.astimezone(UTC))
        return now

    async def _pass_time(self, day: int, clock: str, text: str, handed_over: int) -> None:
        """Let it be a later time, and wait until so many messages were handed over in all."""
        now = self._set(day, clock)
        await self._wait(f"{now:%a %H:%M}  {text}", HANDED_OVER, handed_over)

    async def _wait(self, text: str, query: str, expected: int, *arguments: UUID) -> None:
        found = -1
        for _ in range(int(WAIT_SECONDS / PAUSE_SECONDS)):
            found = await self.pool.fetchval(query, *arguments)
            if found >= expected:
                note(f"  {text}")
                return
            await asyncio.sleep(PAUSE_SECONDS)
        raise Failure(f"{text}: {found} instead of {expected} after {WAIT_SECONDS:g} s")

    async def _show_planned(self, lead_id: UUID) -> None:
        response = await self.client.get(f"/api/leads/{lead_id}/timeline")
        NOTES.rule("what is planned on Ben's timeline")
        for action in response.json()["planned"]:
            at = datetime.fromisoformat(action["at"]).astimezone(ZONE)
            print_line(f"  {at:%a %H:%M}  {action['description']}")

    async def _show(self) -> None:
        """Print what the servers received; raise `Failure` if it is not what the log says."""
        received = self.setup.providers.received
        NOTES.rule(f"the servers for e-mail and SMS got {len(received)} messages")
        print_rows(
            [
                {"channel": message.channel, "recipient": message.recipient,
                 "message": message.text[:70], "files": ", ".join(message.attachments)}
                for message in received
            ],
            ["channel", "recipient", "message", "files"],
        )  # fmt: skip
        counts = await self.pool.fetchrow(
            "SELECT count(*) AS events, count(DISTINCT entity_id) AS messages FROM crm_events "
            "WHERE event_type = 'delivery.handed_over' "
            "AND NOT coalesce((payload->>'simulated')::bool, false)"
        )
        if counts is None or not (counts["events"] == counts["messages"] == len(received)):
            raise Failure(f"the log has {counts} hand-overs, the servers {len(received)}")
