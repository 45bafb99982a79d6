"""Links to unsubscribe that an attacker makes, changes or replays."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

from events.consents import ConsentChannel
from events.log.secret_keys import load_secret_keys
from services.application.unsubscribe_links import make_unsubscribe_path
from services.runtime.settings import Settings
from tests.services.api.site import open_api
from tests.services.api.test_consent_pages import ONE_CLICK, LinkSite
from tests.services.sender.outbox import make_outbox


@pytest.fixture
async def links(settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[LinkSite]:
    outbox = await make_outbox(pool)
    async with open_api(settings, clock=outbox.clock) as client:
        yield LinkSite(client, outbox)


async def test_a_changed_link_is_not_valid(links: LinkSite) -> None:
    link = await links.make_link()
    token = link.rpartition("/")[2]
    position = len(token) // 2
    other = "A" if token[position] != "A" else "B"
    changed = token[:position] + other + token[position + 1 :]
    lead_id = str(links.outbox.lead_id)
    for text in (changed, token[:-4], token + token, lead_id, "x", "%00", "ü", "A" * 5_000):
        response = await links.client.post(f"/unsubscribe/{text}", data=ONE_CLICK)
        assert response.status_code == 404, text
    assert await links.consents() == []


async def test_a_token_of_another_purpose_is_not_valid(links: LinkSite) -> None:
    async with links.outbox.world.pool.acquire() as conn:
        keys = await load_secret_keys(conn, "session_token")
    path = make_unsubscribe_path(keys, links.outbox.lead_id, ConsentChannel.EMAIL)
    assert (await links.client.post(path, data=ONE_CLICK)).status_code == 404
    assert await links.consents() == []


async def test_a_link_to_a_lead_that_does_not_exist_looks_like_an_invalid_one(
    links: LinkSite,
) -> None:
    async with links.outbox.world.pool.acquire() as conn:
        keys = await load_secret_keys(conn, "unsubscribe_link")
    unknown = await links.client.get(make_unsubscribe_path(keys, uuid4(), ConsentChannel.EMAIL))
    invalid = await links.client.get("/unsubscribe/x")
    assert (unknown.status_code, unknown.text) == (invalid.status_code, invalid.text)


async def test_a_link_reveals_neither_the_lead_nor_when_it_was_made(links: LinkSite) -> None:
    lead_id = links.outbox.lead_id
    first, second = await links.make_link(), await links.make_link()
    assert first != second
    for link in (first, second):
        assert lead_id.hex not in link
        assert str(lead_id) not in link
    # The first bytes of a token are a version and a time, which is always the same.
    assert first.rpartition("/")[2][:10] == second.rpartition("/")[2][:10]


async def test_the_link_of_an_email_cannot_allow_sms(links: LinkSite) -> None:
    link = await links.make_link()
    for form in (
        {"channel": "sms", "consent": "given"}, {"channel": "call", "consent": "given"},
        {"channel": "email", "consent": "maybe"}, {"channel": "", "consent": "withdrawn"},
        {"consent": "given"},
    ):  # fmt: skip
        response = await links.client.post(link, data=form)
        assert response.status_code == 400, form
    assert await links.consents() == []


async def test_the_name_of_a_property_is_text_on_the_page(links: LinkSite) -> None:
    name = "<script>alert(1)</script>\"'><img src=x>"
    await links.outbox.world.pool.execute("UPDATE properties SET name = $1", name)
    page = (await links.client.get(await links.make_link())).text
    assert "<script" not in page
    assert "<img" not in page


async def test_guesses_are_rate_limited(settings: Settings, pool: asyncpg.Pool) -> None:
    limited = settings.model_copy(update={"limit_address": "3/minute"})
    outbox = await make_outbox(pool)
    async with open_api(limited, clock=outbox.clock) as client:
        links = LinkSite(client, outbox)
        statuses = [(await client.get(f"/unsubscribe/{n}")).status_code for n in range(4)]
        assert statuses == [404, 404, 404, 429]
        assert (await client.post(await links.make_link(), data=ONE_CLICK)).status_code == 200
