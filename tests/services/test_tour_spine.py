"""A tour from the widget to the mail server: HTTP → log → policies and timers → sender → SMTP.

All processes and both servers are real; the test only moves the clock that the processes share.
"""

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import httpx2
import pytest
from icalendar import Calendar

from services.api.app import create_app
from services.api.server import ApiServer
from services.application.policy_group import POLICIES
from services.deciders.default_templates import TEMPLATES
from services.runtime.clock import Clock
from services.runtime.settings import Settings
from tests.conftest import until
from tests.races.processes import assert_live_equals_rebuilt
from tests.services.adapters.provider_servers import (
    HttpServer,
    SmtpServer,
    http_server,
    smtp_server,
)
from tests.services.adapters.test_provider_contract import use_sms, use_smtp
from tests.services.api.site import (
    SHORT_TIMES,
    EchoResponder,
    Site,
    StackSite,
    create_site,
    open_client,
    url_of,
)
from tests.services.api.workflow_requests import (
    DEFINITIONS,
    create_definition,
    create_template,
    post,
)
from tests.world import make_world

pytestmark = pytest.mark.stack
ZONE = ZoneInfo("America/New_York")
START = datetime.combine(datetime.now(ZONE).date() - timedelta(days=5), time(10), ZONE)
TOUR_AT = datetime.combine(START.date() + timedelta(days=2), time(14), ZONE)
PROCESSES = ("relay", "projector", "workflows", "sender")
BEN = {"firstName": "Ben", "email": "ben@alder.example", "phone": "+12125550102"}


class Spine:
    """The site, the two servers and the clock of all processes."""

    def __init__(self, site: Site, smtp: SmtpServer, sms: HttpServer, clock: Clock) -> None:
        self.site, self.smtp, self.sms, self.clock = site, smtp, sms, clock

    def set_time(self, at: datetime) -> None:
        self.clock.offset = at - datetime.now(UTC)

    async def expect(self, emails: int, texts: int) -> None:
        """Wait until the servers took so many messages, and the log has the results."""
        await until(lambda: self.has_recorded("delivery.handed_over", emails + texts))
        assert (len(self.smtp.stored), self.sms.posted) == (emails, texts)

    async def count(self, event_type: str) -> int:
        return await self.site.world.count(f"crm_events WHERE event_type = '{event_type}'")

    async def has_recorded(self, event_type: str, number: int) -> bool:
        return await self.count(event_type) == number


@asynccontextmanager
async def run_api(settings: Settings, clock: Clock) -> AsyncIterator[str]:
    """Run the API on a socket during a block; yield its address."""
    server = ApiServer(settings, create_app(settings, EchoResponder(), clock))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield url_of(server)
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def run_others(settings: Settings, clock: Clock) -> AsyncIterator[None]:
    """Run the other processes during a block."""
    stop = asyncio.Event()
    tasks = [
        asyncio.create_task(
            importlib.import_module(f"services.{name}.{name}").work(settings, stop, {}, clock)
        )
        for name in PROCESSES
    ]
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 60)


@pytest.fixture
async def spine(kafka_settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[Spine]:
    clock = Clock(START - datetime.now(UTC))
    world = await make_world(pool)
    world.now = START

    async def have_started() -> int:
        return await world.count(f"crm.checkpoints WHERE projection_group = '{POLICIES.name}'")

    async with smtp_server() as smtp, http_server() as sms:
        settings = use_sms(use_smtp(kafka_settings, smtp.port), sms.port)
        settings = settings.model_copy(update={**SHORT_TIMES, "http_port": 0})
        async with run_api(settings, clock) as url, open_client(url) as client:
            site = await create_site(client, world, EchoResponder(), StackSite)
            async with run_others(settings, clock):
                await until(have_started)
                yield Spine(site, smtp, sms, clock)


async def create_templates(site: Site) -> None:
    """Create the default templates as active ones."""
    for template in TEMPLATES:
        more: dict[str, Any] = {"subject": template.subject} if template.subject else {}
        await create_template(
            site, template.slug, channel=template.channel.value, body=template.body, **more
        )


async def book(site: Site) -> httpx2.Response:
    return await site.client.post(
        "/api/lumaleasing/tours",
        json={"tourDate": TOUR_AT.date().isoformat(), "tourTime": "14:00", "leadInfo": BEN},
        headers=site.widget_headers("v_ben"),
    )


def invitation_of(smtp: SmtpServer, number: int) -> Calendar:
    files = list(smtp.stored[number].iter_attachments())
    calendar = Calendar.from_ical(files[0].get_content())
    assert isinstance(calendar, Calendar)
    return calendar


async def test_a_tour_of_the_widget_is_confirmed_reminded_and_followed_up_once(
    spine: Spine, owner_pool: asyncpg.Pool
) -> None:
    site = spine.site
    await create_templates(site)
    definition = await create_definition(
        site, name="Recovery", triggerOn="tour_no_show",
        steps=[
            {"id": f"after-{hours}", "delay_hours": hours, "action": action,
             "template_slug": f"tour-no-show-{slug}"}
            for hours, action, slug in ((2, "sms", "followup"), (24, "email", "email"))
        ],
    )  # fmt: skip
    response = await post(site, f"{DEFINITIONS}/{definition['id']}/activate", {})
    assert response.status_code == 200, response.text
    first, again = await book(site), await book(site)
    assert (first.status_code, again.json()) == (201, first.json()), first.text
    tour = UUID(first.json()["booking"]["id"])

    await spine.expect(1, 1)
    calendar = invitation_of(spine.smtp, 0)
    (event,) = calendar.events
    assert (str(calendar["method"]), event.start) == ("REQUEST", TOUR_AT.astimezone(UTC))
    assert event["uid"] == f"tour-{tour}@leasing-crm"
    for before, emails, texts in ((timedelta(hours=24), 2, 2), (timedelta(hours=1), 3, 3)):
        spine.set_time(TOUR_AT - before + timedelta(minutes=1))
        await spine.expect(emails, texts)
    assert await spine.count("tour.no_show_recorded") == 0

    spine.set_time(TOUR_AT + timedelta(hours=1, minutes=31))
    await until(lambda: spine.count("tour.no_show_recorded"))
    await until(lambda: spine.count("run.enrolled"))
    spine.set_time(TOUR_AT + timedelta(hours=3, minutes=35))
    await spine.expect(3, 4)
    spine.set_time(TOUR_AT + timedelta(hours=28))
    await spine.expect(4, 4)
    await until(lambda: spine.count("run.completed"))

    assert set(spine.smtp.recipients) == {BEN["email"]}
    assert {message["to"] for message in spine.sms.stored} == {BEN["phone"]}
    assert len({mail["Message-ID"] for mail in spine.smtp.stored}) == 4
    assert await spine.count("delivery.planned") == 8
    await site.project()
    lead = await site.find_lead(BEN["email"])
    activities = await site.client.get(
        f"/api/leads/{lead}/activities", headers=site.console_headers()
    )
    types = [row["type"] for row in activities.json()["activities"]]
    assert (types.count("email_sent"), types.count("sms_sent")) == (4, 4)
    assert {"tour_booked", "tour_no_show", "workflow_started", "workflow_completed"} <= set(types)
    await assert_live_equals_rebuilt(owner_pool)
