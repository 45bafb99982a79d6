"""The frame of the console: signing in and out, what each role sees, errors, and other sites."""

import re
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from services.api.console.catalog import PAGES
from services.api.console.forms import is_local
from services.api.console.links import make_link_token
from services.api.console.menu import find_page_name
from services.api.console.viewers import COOKIE
from services.runtime.settings import Settings
from tests.conftest import JWT_SECRET
from tests.services.api.console.visits import SAME_ORIGIN, Shown, Visit, open_visit
from tests.services.api.site import (
    Site,
    create_second_property,
    make_bearer_token,
    open_site,
)

SIGN_IN = "/console/sign-in"


async def test_the_console_begins_with_a_page_of_the_first_property(manager: Visit) -> None:
    shown = await manager.open("/console")
    assert shown.status == 200
    assert manager.site.world.properties[0].hex in str(shown.response.url).replace("-", "")


@pytest.mark.parametrize("route", PAGES, ids=lambda route: str(route.path))
async def test_a_stranger_is_led_to_the_sign_in_page_and_back(
    route: object, stranger: httpx2.AsyncClient
) -> None:
    path = getattr(route, "path", "").replace("{property_id}", str(uuid4()))
    response = await stranger.get(path)
    assert response.status_code == 303
    assert response.headers["location"].startswith(f"{SIGN_IN}?next=%2Fconsole")


async def test_a_token_signs_a_person_in_and_the_cookie_is_protected(
    stranger: httpx2.AsyncClient, site_in_process: Site
) -> None:
    token = make_bearer_token(site_in_process.manager)
    response = await stranger.post(
        SIGN_IN, data={"token": token, "next": "/console"}, headers=SAME_ORIGIN
    )
    assert (response.status_code, response.headers["location"]) == (303, "/console")
    cookie = response.headers["set-cookie"].lower()
    assert cookie.startswith(f"{COOKIE}={token}".lower())
    assert all(part in cookie for part in ("httponly", "samesite=lax", "path=/console", "expires="))
    assert (await stranger.get("/console", follow_redirects=True)).status_code == 200


async def test_a_wrong_token_signs_nobody_in(stranger: httpx2.AsyncClient) -> None:
    response = await stranger.post(SIGN_IN, data={"token": "x"}, headers=SAME_ORIGIN)
    assert response.status_code == 401
    assert "set-cookie" not in response.headers
    assert "not valid" in Shown(response).text


async def test_a_link_signs_a_person_in_once(
    stranger: httpx2.AsyncClient, site_in_process: Site
) -> None:
    link = make_link_token(JWT_SECRET, site_in_process.manager, operator=False)
    response = await stranger.get(SIGN_IN, params={"link": link})
    assert response.status_code == 303
    assert (await stranger.get("/console", follow_redirects=True)).status_code == 200
    again = await stranger.get(SIGN_IN, params={"link": link})
    assert again.status_code == 401
    assert "used before" in Shown(again).text


async def test_a_console_token_is_no_link(
    stranger: httpx2.AsyncClient, site_in_process: Site
) -> None:
    token = make_bearer_token(site_in_process.manager)
    assert (await stranger.get(SIGN_IN, params={"link": token})).status_code == 401


async def test_signing_out_forgets_the_person(manager: Visit) -> None:
    response = await manager.client.post("/console/sign-out", headers=SAME_ORIGIN)
    assert response.status_code == 303
    assert f'{COOKIE}=""' in response.headers["set-cookie"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {},
    ],
    ids=str,
)
async def test_a_form_of_another_site_is_refused(manager: Visit, headers: dict[str, str]) -> None:
    response = await manager.client.post("/console/sign-out", headers=headers)
    assert response.status_code == 403
    response = await manager.client.post(SIGN_IN, data={"token": "x"}, headers=headers)
    assert response.status_code == 403


@pytest.mark.parametrize(
    "path",
    ["https://evil.example", "//evil.example", "/\\evil.example", "/api/leads", "javascript:x", "",
     "/console\\..\\x", "/console\n"],
)  # fmt: skip
async def test_signing_in_leads_to_no_other_host(
    path: str, stranger: httpx2.AsyncClient, site_in_process: Site
) -> None:
    assert not is_local(path)
    fields = {"token": make_bearer_token(site_in_process.manager), "next": path}
    response = await stranger.post(SIGN_IN, data=fields, headers=SAME_ORIGIN)
    assert response.headers["location"] == "/console"


async def test_pages_cannot_be_framed_and_run_only_own_scripts(manager: Visit) -> None:
    response = (await manager.open(manager.at_property("leads"))).response
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["x-frame-options"] == "DENY"
    tree = Shown(response).tree
    assert tree.xpath("//script[not(@src)]") == []
    assert tree.xpath("//*[@style]") == []
    assert list(tree.xpath("//@*[starts-with(name(), 'on')]")) == []


async def test_an_unknown_page_is_answered_in_words(manager: Visit) -> None:
    shown = await manager.open("/console/nothing")
    assert (shown.status, shown.answer) == (404, "Page not found: check its id.")


async def test_another_property_opens_on_the_same_page_and_is_searched(manager: Visit) -> None:
    other = await create_second_property(manager.site.world)
    shown = await manager.open(manager.at_property("tours"))
    assert f"/console/properties/{other}/tours" in shown.links()
    shown = await manager.open(manager.at_property("leads?search=Ada+B"))
    assert f"/console/properties/{other}/leads?search=Ada+B" in shown.links()
    paths = ("/console/runs/1", "/console/conversations/1", "/console/leads/1", "/console/events")
    assert [find_page_name(path) for path in paths] == ["workflows", "inbox", "leads", "today"]


async def test_a_property_of_another_organisation_is_not_found(manager: Visit) -> None:
    assert (await manager.open(f"/console/properties/{uuid4()}/leads")).status == 404


async def test_a_person_without_a_profile_is_not_signed_in(
    stranger: httpx2.AsyncClient,
) -> None:
    stranger.cookies.set(COOKIE, make_bearer_token(uuid4()))
    assert (await stranger.get("/console")).status_code == 303


async def test_the_files_of_the_pages_are_cached_by_their_content(manager: Visit) -> None:
    shown = await manager.open(manager.at_property("leads"))
    addresses = [*shown.tree.xpath("//script/@src"), *shown.tree.xpath("//link/@href")]
    assert len(addresses) > 4
    weight = len(shown.response.content)
    for address in addresses:
        response = await manager.client.get(address)
        assert response.status_code == 200
        assert "immutable" in response.headers["cache-control"]
        weight += len(response.content)
    assert weight <= 150 * 1024


async def test_the_host_has_its_own_sign_in_page_and_a_cookie_for_tls_only(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    host = "https://host.example/sign-in"
    changed = settings.model_copy(
        update={"console_sign_in_url": host, "console_secure_cookie": True}
    )
    async with open_site(changed, pool) as site, open_visit(site, site.manager) as visit:
        shown = await visit.open(SIGN_IN)
        assert host in shown.links()
        fields = {"token": make_bearer_token(site.manager)}
        response = await visit.client.post(SIGN_IN, data=fields, headers=SAME_ORIGIN)
        assert "; Secure" in response.headers["set-cookie"]
        shown = await visit.open(visit.at_property("leads"))
        assert "; Secure" in shown.response.headers["set-cookie"]
        for origin, status in (("https://host.example", 303), ("http://host.example", 403)):
            headers = {"Sec-Fetch-Site": "cross-site", "Origin": origin}
            response = await visit.client.post(SIGN_IN, data=fields, headers=headers)
            assert response.status_code == status


async def test_all_actions_can_be_switched_off(settings: Settings, pool: asyncpg.Pool) -> None:
    changed = settings.model_copy(update={"console_actions": False})
    async with open_site(changed, pool) as site, open_visit(site, site.admin) as visit:
        for route in PAGES:
            if "POST" in (route.methods or ()):
                path = route.path.replace("{property_id}", str(site.property_id))
                path = re.sub(r"{\w+}", str(uuid4()), path)
                response = await visit.client.post(path, headers=SAME_ORIGIN)
                assert "only shows" in Shown(response).text, path
