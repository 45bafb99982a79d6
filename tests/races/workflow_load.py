"""Leads over HTTP that start runs of two workflows, opt out, report and leave: all repeated."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import httpx2

from events.workflows import Step, StepAction
from services.api.provider_signatures import SMS_SIGNATURE, sign_sms_callback
from services.deciders.sending_rules.property_rules import KEY
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.lying_server import LyingServer
from tests.races.sender_kills import NO_LIMITS
from tests.services.api.site import create_profile, make_bearer_token
from tests.services.application.workflow_harness import WorkflowHarness, sms, wait
from tests.world import World, make_world

PROPERTIES = 5
CLIENTS = 4
FIRST_LEADS = 20
LEADS_PER_REQUEST = 0.8
"""A lead gets 1.4 SMS on average, so the load neither ends nor leaves the senders far behind."""
SOON_HOURS = 1 / 3600
PAUSE_SECONDS = 0.05
"""Time between two looks at another process, which sends no signal of its own."""
REQUEST_SECONDS = 5.0
REPEAT_SECONDS = 300.0
"""Time in which a request succeeds, also after the worst kill on a busy machine."""
NUMBERS = {
    "Pacific/Honolulu": "+1808555{:04d}", "America/New_York": "+1212555{:04d}",
    "Europe/Berlin": "+49301234{:04d}", "Asia/Kolkata": "+91981000{:04d}",
}  # fmt: skip
"""Time zone → phone numbers in it. At any time it is day in one of them, and night in another."""
GREETING = (
    sms("hello", 0, "hello"), wait("rest", SOON_HOURS), sms("again", 0, "again"),
    Step(id="mail", delay_hours=SOON_HOURS, action=StepAction.EMAIL, template_slug="mail"),
)  # fmt: skip
WATCH = (
    Step(id="watch", delay_hours=0, action=StepAction.WAIT_FOR_EVENT,
         options={"event": "tour_booked", "limit_hours": 100}),
)  # fmt: skip


def find_areas(now: datetime) -> tuple[str, str]:
    """Return the zone whose hours of sending end last, and the one whose night ends last."""
    hours = {name: now.astimezone(ZoneInfo(name)).hour for name in NUMBERS}
    days = {name: 21 - hour for name, hour in hours.items() if 8 <= hour < 21}
    nights = {name: (8 - hour) % 24 for name, hour in hours.items() if not 8 <= hour < 21}
    return max(days, key=days.__getitem__), max(nights, key=nights.__getitem__)


@dataclass
class WorkflowLoad:
    """Clients of the API that repeat each request until it is answered.

    The first property is one of people for whom it is night: their SMS are held.
    """

    world: World
    settings: Settings
    manager: UUID
    provider: LyingServer
    zones: tuple[str, str]
    definitions: dict[UUID, list[UUID]] = field(default_factory=dict)
    """Property → its workflows: the greeting, and the one that waits for a tour."""
    leads: dict[UUID, UUID] = field(default_factory=dict)
    """Lead that the API has answered → its property."""
    lost: set[UUID] = field(default_factory=set)
    """Those that were lost at once."""
    _begun: int = 0
    _reported: int = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Create leads until stopped, as the senders keep up with them; finish what has begun."""
        api = f"http://127.0.0.1:{self.settings.http_port}"
        async with httpx2.AsyncClient(base_url=api, timeout=REQUEST_SECONDS) as client:
            works = [self._create_leads(client, stop) for _ in range(CLIENTS)]
            await asyncio.gather(*works, self._report_deliveries(client, stop))

    async def _create_leads(self, client: httpx2.AsyncClient, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if self._begun >= FIRST_LEADS + LEADS_PER_REQUEST * self.provider.posted:
                await asyncio.sleep(PAUSE_SECONDS)  # until the senders hand over more
                continue
            number, self._begun = self._begun, self._begun + 1
            await self._create_lead(client, number)

    async def _create_lead(self, client: httpx2.AsyncClient, number: int) -> None:
        """Create a lead. One of ten is lost at once, and one of ten sends STOP."""
        property_id = self.world.properties[number % PROPERTIES]
        day, night = self.zones
        phone = NUMBERS[day if number % PROPERTIES else night].format(number)
        body: dict[str, Any] = {
            "propertyId": str(property_id), "firstName": f"N{number}", "phone": phone,
            "email": f"n{number}@example.com",
        }  # fmt: skip
        answer = await self._send(client, "POST", "/api/leads", body, f"lead {number}")
        lead_id = answer["lead"]["id"]
        self.leads[UUID(lead_id)] = property_id
        if number % 10 == 3:
            self.lost.add(UUID(lead_id))
            change = {"leadId": lead_id, "status": "lost"}
            await self._send(client, "PATCH", "/api/leads", change, f"lost {number}")
        elif number % 10 == 7:
            path = f"/api/callbacks/{self.world.org_id}/sms/messages"
            form = {"MessageSid": f"IN{number}", "From": phone, "To": "+12025550100"}
            await self._call_back(client, path, {**form, "Body": "STOP"})

    async def _send(
        self, client: httpx2.AsyncClient, method: str, path: str, body: dict[str, Any], key: str
    ) -> dict[str, Any]:
        """Send a request with the same key until it succeeds."""

        async def send() -> httpx2.Response:
            token = make_bearer_token(self.manager)
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": key}
            return await client.request(method, path, json=body, headers=headers)

        # 404: the tables do not show the lead yet. 503: the database was killed.
        response = await _repeat(send, 404, 503)
        answer: dict[str, Any] = response.json()
        return answer

    async def _report_deliveries(self, client: httpx2.AsyncClient, stop: asyncio.Event) -> None:
        """Report every second SMS that the provider took as delivered, until it is answered."""
        while not stop.is_set():
            requests = self.provider.requests
            if self._reported >= len(requests):
                await asyncio.sleep(PAUSE_SECONDS)  # until a sender has sent the next request
                continue
            request, self._reported = requests[self._reported], self._reported + 1
            if request.method != "POST" or self._reported % 2:
                continue
            form = request.form
            sid = next((m["sid"] for m in self.provider.stored if m["body"] == form["Body"]), None)
            if sid is not None:
                report = {"MessageSid": sid, "MessageStatus": "delivered"}
                await self._call_back(client, urlsplit(form["StatusCallback"]).path, report)

    async def _call_back(self, client: httpx2.AsyncClient, path: str, form: dict[str, str]) -> None:
        """Send a callback of the provider until it is answered."""
        token, public_url = self.settings.sms_auth_token, self.settings.public_url
        assert token is not None
        fields = {"AccountSid": "AC1", **form}
        headers = {
            SMS_SIGNATURE: sign_sms_callback(token, f"{public_url}{path}", fields.items()),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        content = urlencode(fields)
        # 503: the database was killed.
        await _repeat(lambda: client.post(path, content=content, headers=headers), 503)


async def _repeat(
    send: Callable[[], Awaitable[httpx2.Response]], *expected: int
) -> httpx2.Response:
    """Send a request until it succeeds; it may fail without a response, or with these statuses."""

    async def is_done() -> httpx2.Response | None:
        try:
            response = await send()
        except httpx2.HTTPError:
            return None  # the API was killed
        assert response.is_success or response.status_code in expected, response.text
        return response if response.is_success else None

    answered: httpx2.Response = await until(is_done, REPEAT_SECONDS)
    return answered


async def make_load(pool: asyncpg.Pool, settings: Settings, provider: LyingServer) -> WorkflowLoad:
    """Create the properties with their templates and active workflows."""
    world = await make_world(pool, properties=PROPERTIES)
    world.now = datetime.now(UTC)
    day, night = find_areas(world.now)
    load = WorkflowLoad(
        world, settings, await create_profile(world, "manager"), provider, (day, night)
    )
    for property_id in world.properties:
        await pool.execute(
            "UPDATE properties SET settings = settings || $2 WHERE id = $1",
            property_id,
            {KEY: NO_LIMITS, "timezone": day},
        )
        load.definitions[property_id] = await _create_workflows(world, property_id)
    return load


async def _create_workflows(world: World, property_id: UUID) -> list[UUID]:
    harness = WorkflowHarness(World(world.pool, world.org_id, [property_id], world.now))
    for slug in ("hello", "again"):
        await harness.create_template(slug, f"{slug} {{{{first_name}}}}")
    await harness.create_template("mail", "mail {{first_name}}", channel="email")
    flows: Sequence[Sequence[Step]] = (GREETING, WATCH)
    return [await harness.create_workflow(*steps) for steps in flows]
