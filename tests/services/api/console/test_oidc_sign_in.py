"""Signing in with OpenID Connect, against a provider with real keys on a socket."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import asyncpg
import httpx2
import pytest
from pydantic import SecretStr

from services.api.console.viewers import COOKIE
from services.runtime.settings import Settings
from tests.services.api.console.visits import Shown
from tests.services.api.issuer import Issuer
from tests.services.api.oidc_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    KEY_ID,
    REDIRECT_URI,
    OidcProvider,
    serve_oidc_provider,
)
from tests.services.api.site import Site, open_site

SIGN_IN = "/console/sign-in"
BEGIN, BACK = f"{SIGN_IN}/oidc", f"{SIGN_IN}/oidc/back"
ATTEMPT = "crm_console_oidc"
CLOSED_PORT = "http://127.0.0.1:9"


@dataclass
class SignIn:
    """A person's browser, the console and the provider."""

    browser: httpx2.AsyncClient
    site: Site
    provider: OidcProvider

    async def begin(self, path: str = "/console") -> str:
        """Begin to sign in; return the provider's address."""
        response = await self.browser.get(BEGIN, params={"next": path})
        assert response.status_code == 303, response.text
        return response.headers["location"]

    async def authorize(self, address: str) -> dict[str, str]:
        """Sign the person in at the provider; return what it sends back to the console."""
        async with httpx2.AsyncClient() as client:
            response = await client.get(address)
        assert response.status_code == 303, response.text
        location = response.headers["location"]
        assert location.startswith(REDIRECT_URI)
        return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}

    async def come_back(self, answer: dict[str, str]) -> httpx2.Response:
        return await self.browser.get(BACK, params=answer)

    async def sign_in(self, path: str = "/console") -> httpx2.Response:
        """Go the whole way; return the console's last response."""
        return await self.come_back(await self.authorize(await self.begin(path)))

    def assert_refused(self, response: httpx2.Response, status: int, words: str) -> None:
        assert response.status_code == status, response.text
        assert words in Shown(response).text
        assert COOKIE not in self.browser.cookies


@pytest.fixture
def provider() -> Iterator[OidcProvider]:
    with serve_oidc_provider() as provider:
        yield provider


@asynccontextmanager
async def open_sign_in(
    settings: Settings, pool: asyncpg.Pool, provider: OidcProvider, **more: Any
) -> AsyncIterator[SignIn]:
    """Run a console whose people sign in at a provider; its person is the manager."""
    changed = settings.model_copy(update={
        "console_oidc_issuer": provider.url, "console_oidc_client_id": CLIENT_ID,
        "jwks_url": f"{provider.url}/jwks", "jwt_issuer": provider.url, **more,
    })  # fmt: skip
    async with (
        open_site(changed, pool) as site,
        httpx2.AsyncClient(transport=site.client._transport, base_url="http://test") as browser,
    ):
        provider.subject = site.manager
        yield SignIn(browser, site, provider)


@pytest.fixture
async def visit(
    settings: Settings, pool: asyncpg.Pool, provider: OidcProvider
) -> AsyncIterator[SignIn]:
    async with open_sign_in(settings, pool, provider) as visit:
        yield visit


async def test_a_person_signs_in_at_the_provider_and_returns_to_the_page(visit: SignIn) -> None:
    page = f"/console/properties/{visit.site.property_id}/leads"
    shown = Shown(await visit.browser.get(page, follow_redirects=True))
    begin = next(link for link in shown.links() if link.startswith(BEGIN))
    response = await visit.browser.get(begin)
    cookie = response.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=lax", f"path={BEGIN}", "max-age"))
    response = await visit.come_back(await visit.authorize(response.headers["location"]))
    assert (response.status_code, response.headers["location"]) == (303, page)
    assert ATTEMPT not in visit.browser.cookies
    response = await visit.browser.get(page)
    assert response.status_code == 200
    assert "manager" in response.text


async def test_a_client_with_a_secret_sends_it_and_a_wrong_one_is_named_to_operators_only(
    settings: Settings, pool: asyncpg.Pool, provider: OidcProvider
) -> None:
    secret = {"console_oidc_client_secret": SecretStr(CLIENT_SECRET)}
    async with open_sign_in(settings, pool, provider, **secret) as visit:
        assert (await visit.sign_in()).status_code == 303
    secret = {"console_oidc_client_secret": SecretStr("wrong")}
    async with open_sign_in(settings, pool, provider, **secret) as visit:
        visit.assert_refused(await visit.sign_in(), 503, "does not answer as it should")


async def test_an_answer_with_a_wrong_state_or_of_another_browser_is_refused(
    visit: SignIn,
) -> None:
    for change in ({"state": "x"}, {"state": ""}):
        answer = await visit.authorize(await visit.begin())
        response = await visit.come_back(answer | change)
        visit.assert_refused(response, 401, "not begun in this browser")
    answer = await visit.authorize(await visit.begin())
    visit.browser.cookies.clear()
    visit.assert_refused(await visit.come_back(answer), 401, "not begun in this browser")
    for cookie in ("x", "e30=", "W10=", "MQ==", "é"):
        headers = {b"Cookie": f"{ATTEMPT}={cookie}".encode()}
        response = await visit.browser.get(BACK, params=answer, headers=headers)
        visit.assert_refused(response, 401, "not begun in this browser")
    assert "/token" not in visit.provider.requests


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"aud": "another client"},
        {"aud": [CLIENT_ID, "another client"]},
        {"aud": [CLIENT_ID, "another client"], "azp": "another client"},
        {"iss": "https://evil.example"},
        {"exp": datetime.now(UTC) - timedelta(minutes=1)},
        {"exp": None},
        {"sub": str(uuid4())},
    ],
    ids=" and ".join,  # without values, which differ between the processes of a run
)
async def test_an_id_token_with_a_wrong_claim_is_refused(
    claims: dict[str, Any], visit: SignIn
) -> None:
    visit.provider.id_claims = claims
    visit.assert_refused(await visit.sign_in(), 401, "token")


async def test_an_id_token_with_another_signature_is_refused(visit: SignIn) -> None:
    other = Issuer("")
    other.add(KEY_ID, "RS256")
    visit.provider.served.keys = other.keys
    visit.assert_refused(await visit.sign_in(), 401, "is not valid")
    visit.provider.served.keys = {}
    visit.assert_refused(await visit.sign_in(), 401, "is not valid")


async def test_a_code_is_used_once_and_only_with_the_verifier_of_its_attempt(
    visit: SignIn,
) -> None:
    answer = await visit.authorize(await visit.begin())
    attempt = visit.browser.cookies[ATTEMPT]
    assert (await visit.come_back(answer)).status_code == 303
    visit.browser.cookies.clear()
    visit.assert_refused(await visit.come_back(answer), 401, "not begun in this browser")
    visit.browser.cookies.set(ATTEMPT, attempt)
    visit.assert_refused(await visit.come_back(answer), 401, "refused this sign-in")
    visit.browser.cookies.clear()
    stolen = await visit.authorize(await visit.begin())
    visit.browser.cookies.clear()
    own = await visit.authorize(await visit.begin())
    response = await visit.come_back(own | {"code": stolen["code"]})
    visit.assert_refused(response, 401, "refused this sign-in")


@pytest.mark.parametrize(
    "path", ["https://evil.example", "//evil.example", "/\\evil.example", "/api/leads", "x" * 5000]
)
async def test_the_way_back_leads_to_no_other_host(path: str, visit: SignIn) -> None:
    response = await visit.sign_in(path)
    assert (response.status_code, response.headers["location"]) == (303, "/console")


async def test_a_person_who_refuses_sees_why_and_can_try_again(visit: SignIn) -> None:
    page = f"/console/properties/{visit.site.property_id}/leads"
    answer = await visit.authorize(await visit.begin(page))
    response = await visit.come_back({"error": "access_denied", "state": answer["state"]})
    visit.assert_refused(response, 401, "has not signed you in")
    again = next(link for link in Shown(response).links() if link.startswith(BEGIN))
    assert parse_qs(urlsplit(again).query)["next"] == [page]


@pytest.mark.parametrize(
    "claims", [{"role": None}, {"aud": "another api"}, {"iss": "https://evil.example"}], ids=str
)
async def test_a_token_that_the_api_does_not_accept_signs_nobody_in(
    claims: dict[str, Any], visit: SignIn
) -> None:
    visit.provider.access_claims = claims
    visit.assert_refused(await visit.sign_in(), 401, "accepts no token")


async def test_the_id_token_is_the_session_if_only_it_is_for_the_api(
    settings: Settings, pool: asyncpg.Pool, provider: OidcProvider
) -> None:
    async with open_sign_in(settings, pool, provider, jwt_audience=CLIENT_ID) as visit:
        provider.id_claims = {"role": "authenticated"}
        assert (await visit.sign_in()).status_code == 303
        assert (await visit.browser.get("/console", follow_redirects=True)).status_code == 200


async def test_a_person_without_a_profile_sees_why(visit: SignIn) -> None:
    visit.provider.subject = uuid4()
    visit.assert_refused(await visit.sign_in(), 401, "no profile in an organisation")


async def test_a_provider_that_is_down_or_another_one_gives_a_clear_page(
    settings: Settings, pool: asyncpg.Pool, provider: OidcProvider
) -> None:
    words = "does not answer as it should"
    async with open_sign_in(settings, pool, provider, console_oidc_issuer=CLOSED_PORT) as visit:
        visit.assert_refused(await visit.browser.get(BEGIN), 503, words)
    async with open_sign_in(settings, pool, provider) as visit:
        for change in ({"issuer": "https://evil.example"}, {"token_endpoint": "file:///x"}):
            provider.document = change
            visit.assert_refused(await visit.browser.get(BEGIN), 503, words)
        provider.document = {}
        answer = await visit.authorize(await visit.begin())
        provider.status = 500
        visit.assert_refused(await visit.come_back(answer), 503, words)


async def test_the_discovery_document_is_fetched_once_for_many_people(visit: SignIn) -> None:
    for _ in range(3):
        await visit.begin()
    assert visit.provider.requests.count("/.well-known/openid-configuration") == 1


async def test_without_a_provider_its_pages_do_not_exist(site_in_process: Site) -> None:
    async with httpx2.AsyncClient(
        transport=site_in_process.client._transport, base_url="http://test"
    ) as browser:
        for path in (BEGIN, BACK):
            assert (await browser.get(path)).status_code == 404
        shown = Shown(await browser.get(SIGN_IN))
        assert not any(link.startswith(BEGIN) for link in shown.links())
