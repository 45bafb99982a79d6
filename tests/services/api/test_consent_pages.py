"""The link in a message: one click, the page, and what the next message does."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from events.deliveries import DeliveryChannel, MessageClass
from services.runtime.settings import Settings
from tests.services.api.site import open_api
from tests.services.sender.outbox import EMAIL, Outbox, make_outbox
from tests.stored_events import read_stored_events
from tests.world import make_world

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n'
)


@dataclass
class LinkSite:
    """An API and a sender with one clock."""

    client: httpx2.AsyncClient
    outbox: Outbox

    async def send_marketing(self, channel: DeliveryChannel = DeliveryChannel.EMAIL) -> list[str]:
        message = await self.outbox.plan(channel, message_class=MessageClass.MARKETING)
        await self.outbox.send(message)
        return await self.outbox.steps(message)

    async def make_link(self, channel: DeliveryChannel = DeliveryChannel.EMAIL) -> str:
        await self.send_marketing(channel)
        path = self.outbox.providers[channel].requests[-1].unsubscribe_path
        assert path is not None
        return path

    async def consents(self) -> list[dict[str, Any]]:
        return await read_stored_events(self.outbox.world.pool, "entity_type = 'consent'")


@pytest.fixture
async def links(settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[LinkSite]:
    outbox = await make_outbox(pool)
    async with open_api(settings, clock=outbox.clock) as client:
        yield LinkSite(client, outbox)


@pytest.mark.parametrize(
    "body",
    [
        {"data": ONE_CLICK},
        {"content": MULTIPART, "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
        {"content": b"", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    ],
    ids=["form", "multipart", "empty"],
)
async def test_one_click_ends_the_emails(links: LinkSite, body: dict[str, Any]) -> None:
    link = await links.make_link()
    response = await links.client.post(link, **body)
    assert response.status_code == 200, response.text
    (consent,) = await links.consents()
    payload = consent["payload"]
    assert consent["event_type"] == "consent.withdrawn"
    assert (payload["channel"], payload["place"]) == ("email", "one_click")
    assert payload["text"] == "Stop e-mails from Alder 0"
    assert payload["at"] == "2026-03-03T17:00:00Z"
    assert await links.send_marketing() == ["planned", "skipped no_consent"]
    assert (await links.send_marketing(DeliveryChannel.SMS))[-1] == "handed_over"
    assert len(links.outbox.email.requests) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_program_that_checks_links_changes_nothing(links: LinkSite, method: str) -> None:
    link = await links.make_link()
    response = await links.client.request(method, link)
    assert response.status_code == 200
    assert await links.consents() == []
    assert (await links.send_marketing())[-1] == "handed_over"


async def test_a_repeated_click_is_recorded_once(links: LinkSite) -> None:
    link = await links.make_link()
    for _ in range(3):
        await links.client.post(link, data=ONE_CLICK)
        links.outbox.pass_time(seconds=1)
    assert len(await links.consents()) == 1


async def test_the_page_changes_each_channel(links: LinkSite) -> None:
    link = await links.make_link()
    page = (await links.client.get(link)).text
    assert "You get e-mails" in page
    assert "You get text messages" in page
    stop_sms = {"channel": "sms", "consent": "withdrawn"}
    page = (await links.client.post(link, data=stop_sms)).text
    assert "You do not get text messages" in page
    assert "You get e-mails" in page
    links.outbox.pass_time(seconds=1)
    await links.client.post(link, data={"channel": "email", "consent": "withdrawn"})
    links.outbox.pass_time(seconds=1)
    page = (await links.client.post(link, data={"channel": "email", "consent": "given"})).text
    assert "You get e-mails" in page
    assert [(c["event_type"], c["payload"]["channel"]) for c in await links.consents()] == [
        ("consent.withdrawn", "sms"), ("consent.withdrawn", "email"), ("consent.given", "email"),
    ]  # fmt: skip
    assert {c["payload"]["place"] for c in await links.consents()} == {"preference_page"}
    assert (await links.send_marketing())[-1] == "handed_over"
    assert await links.send_marketing(DeliveryChannel.SMS) == ["planned", "skipped no_consent"]


async def test_the_page_names_nothing_of_the_person_and_loads_nothing(links: LinkSite) -> None:
    link = await links.make_link()
    response = await links.client.get(link)
    for text in (EMAIL, "Ada", str(links.outbox.lead_id), "+1"):
        assert text not in response.text
    assert not re.search(r"src=|href=|<script", response.text)
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"


async def test_a_link_acts_on_every_lead_of_the_organisation_with_the_address(
    links: LinkSite,
) -> None:
    world, second, other = links.outbox.world, uuid4(), uuid4()
    await world.pool.execute(
        "INSERT INTO properties (id, org_id, name, settings) VALUES ($1, $2, 'Two', '{}')",
        second, world.org_id,
    )  # fmt: skip
    event = world.new(world.captured(other, email=EMAIL.upper()), property_id=second)
    await world.append(event)
    foreign = await make_world(world.pool)
    await foreign.append(foreign.new(foreign.captured(email=EMAIL)))
    await links.client.post(await links.make_link(), data=ONE_CLICK)
    assert {(c["lead_id"], c["property_id"]) for c in await links.consents()} == {
        (links.outbox.lead_id, links.outbox.property_id),
        (other, second),
    }


async def test_a_link_acts_on_its_lead_after_the_address_has_changed(links: LinkSite) -> None:
    link, world = await links.make_link(), links.outbox.world
    changed = world.captured(links.outbox.lead_id, email="new@example.com")
    await world.append(world.new(changed))
    await links.client.post(link, data=ONE_CLICK)
    assert [c["lead_id"] for c in await links.consents()] == [links.outbox.lead_id]


@pytest.mark.parametrize("kind", [MessageClass.TRANSACTIONAL, MessageClass.CONVERSATIONAL])
async def test_only_marketing_has_a_link(links: LinkSite, kind: MessageClass) -> None:
    message: UUID = await links.outbox.plan(DeliveryChannel.EMAIL, message_class=kind)
    await links.outbox.send(message)
    assert links.outbox.email.requests[-1].unsubscribe_path is None
