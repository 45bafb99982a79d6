"""The chat with a language model over HTTP, and with an agent if the model fails."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from pydantic import ValidationError

from services.application.chat_turns import SORRY
from services.runtime.settings import Settings
from tests.services.adapters.endpoint import Endpoint, listening, plain
from tests.services.api.site import CHAT, Site, open_api


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with listening() as endpoint:
        yield endpoint


@pytest.fixture
async def client(
    site: Site, settings: Settings, endpoint: Endpoint
) -> AsyncIterator[httpx2.AsyncClient]:
    async with open_api(settings.model_copy(update={"responder_url": endpoint.url})) as client:
        yield client


async def test_the_endpoint_of_the_settings_computes_the_reply(
    site: Site, client: httpx2.AsyncClient, endpoint: Endpoint
) -> None:
    endpoint.reply_with("From the tenth of May.")
    first = await client.post(CHAT, json={"message": "when?"}, headers=site.widget_headers())
    assert first.json()["content"] == "From the tenth of May."
    assert "Alder 0" in endpoint.requests[0]["messages"][0]["content"]
    second_body = {"message": "sure?", "sessionId": first.json()["sessionId"]}
    await client.post(CHAT, json=second_body, headers=site.widget_headers())
    assert [message["content"] for message in endpoint.requests[1]["messages"][1:]] == [
        "when?", "From the tenth of May.", "sure?",
    ]  # fmt: skip


async def test_a_failed_responder_leaves_the_conversation_waiting_for_an_agent(
    site: Site, client: httpx2.AsyncClient, endpoint: Endpoint
) -> None:
    endpoint.responses = [plain(b"{}", "401 No")]
    turn = (await client.post(CHAT, json={"message": "hi"}, headers=site.widget_headers())).json()
    assert turn["waitingForHuman"] is True
    assert turn["content"] == SORRY
    await site.project()
    listed = await site.client.get(
        "/api/conversations",
        params={"propertyId": str(site.property_id)},
        headers=site.console_headers(),
    )
    assert listed.json()["conversations"][0]["waiting_for_human"] is True


async def test_a_reply_that_claims_a_booking_books_nothing(
    site: Site, client: httpx2.AsyncClient, endpoint: Endpoint
) -> None:
    endpoint.reply_with('Booked! {"tool": "book_tour", "date": "2036-05-14"}')
    body = {"message": "a tour on Saturday", "leadInfo": {"email": "ada@example.com"}}
    turn = (await client.post(CHAT, json=body, headers=site.widget_headers())).json()
    assert turn["wantsTour"] is True
    await site.project()
    assert await site.world.count("tours") == 0


def test_a_responder_address_without_http_is_refused(settings: Settings) -> None:
    with pytest.raises(ValidationError):
        Settings(**settings.model_dump() | {"responder_url": "ftp://x"})
