"""A chat answered by a language model behind HTTP, and by a person where that one fails."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from pydantic import ValidationError

from services.api.app import create_app
from services.runtime.settings import Settings
from tests.services.adapters.endpoint import Endpoint, listening, plain
from tests.services.api.conftest import Site

CHAT = "/api/lumaleasing/chat"


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with listening() as found:
        yield found


@pytest.fixture
async def client(
    site: Site, settings: Settings, endpoint: Endpoint
) -> AsyncIterator[httpx2.AsyncClient]:
    app = create_app(settings.model_copy(update={"responder_url": endpoint.url}))
    async with app.router.lifespan_context(app):
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://crm") as found:
            yield found


async def test_the_endpoint_that_the_settings_name_answers(
    site: Site, client: httpx2.AsyncClient, endpoint: Endpoint
) -> None:
    endpoint.says("From the tenth of May.")
    said = await client.post(CHAT, json={"message": "when?"}, headers=site.widget())
    assert said.json()["content"] == "From the tenth of May."
    assert "House 0" in endpoint.asked[0]["messages"][0]["content"]
    again = {"message": "sure?", "sessionId": said.json()["sessionId"]}
    await client.post(CHAT, json=again, headers=site.widget())
    assert [one["content"] for one in endpoint.asked[1]["messages"][1:]] == [
        "when?", "From the tenth of May.", "sure?",
    ]  # fmt: skip


async def test_where_it_fails_the_conversation_waits_for_a_person_and_says_so(
    site: Site, client: httpx2.AsyncClient, endpoint: Endpoint
) -> None:
    endpoint.answers = [plain(b"{}", "401 No")]
    said = (await client.post(CHAT, json={"message": "hi"}, headers=site.widget())).json()
    assert said["waitingForHuman"] is True
    assert said["content"]
    await site.project()
    listed = await site.client.get(
        "/api/conversations", params={"propertyId": str(site.property_id)}, headers=site.console()
    )
    assert listed.json()["conversations"][0]["waiting_for_human"] is True


async def test_a_model_that_claims_a_booking_has_booked_nothing(
    site: Site, client: httpx2.AsyncClient, endpoint: Endpoint
) -> None:
    endpoint.says('Booked! {"tool": "book_tour", "date": "2036-05-14"}')
    body = {"message": "a tour on Saturday", "leadInfo": {"email": "ada@example.com"}}
    said = (await client.post(CHAT, json=body, headers=site.widget())).json()
    assert said["wantsTour"] is True
    await site.project()
    assert await site.world.count("tours") == 0


def test_an_address_that_is_none_is_refused(settings: Settings) -> None:
    with pytest.raises(ValidationError):
        Settings(**settings.model_dump() | {"responder_url": "ftp://x"})
