"""What the widget is told when it is shown."""

import asyncio
from typing import Any

import httpx2

from services.api.app import create_app
from services.deciders.business_hours import WEEKDAYS
from services.runtime.settings import Settings
from tests.services.api.conftest import ORIGIN, Site, asking, furnish

CONFIG = "/api/lumaleasing/config"
ALWAYS = {day: {"start": "00:00", "end": "00:00"} for day in WEEKDAYS}
NEVER: dict[str, Any] = dict.fromkeys(WEEKDAYS)


async def shown(site: Site, **settings: Any) -> dict[str, Any]:
    """The configuration of a widget with these settings."""
    site.key = await furnish(site.world, **settings)
    answer = await site.client.get(CONFIG, headers=site.widget())
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_widget_nobody_has_configured_shows_the_usual(site: Site) -> None:
    assert await shown(site) == {
        "config": {
            "widgetName": "Luma", "primaryColor": "#3B82F6", "secondaryColor": None,
            "logoUrl": None, "welcomeMessage": None, "offlineMessage": None, "autoPopupDelay": 0,
            "requireEmailBeforeChat": False, "collectName": True, "collectEmail": True,
            "collectPhone": False, "leadCapturePrompt": None, "toursEnabled": True,
            "propertyName": "House 0",
        },
        "isOnline": True, "businessHours": None, "holidays": [], "timezone": "America/New_York",
    }  # fmt: skip


async def test_every_setting_shows_under_the_name_that_clients_know(site: Site) -> None:
    said = await shown(
        site, widget_name="Ada", brand_color="#010203", secondary_color="#FFF",
        logo_url="https://a.example/logo.svg", greeting_message="Hi", offline_message="Bye",
        auto_popup_delay_seconds=7, require_email_before_chat=True, collect_name=False,
        collect_email=False, collect_phone=True, lead_capture_prompt="Who are you?",
        tours_enabled=False,
    )  # fmt: skip
    assert said["config"] == {
        "widgetName": "Ada", "primaryColor": "#010203", "secondaryColor": "#FFF",
        "logoUrl": "https://a.example/logo.svg", "welcomeMessage": "Hi", "offlineMessage": "Bye",
        "autoPopupDelay": 7, "requireEmailBeforeChat": True, "collectName": False,
        "collectEmail": False, "collectPhone": True, "leadCapturePrompt": "Who are you?",
        "toursEnabled": False, "propertyName": "House 0",
    }  # fmt: skip


async def test_it_is_online_within_hours_and_not_outside(site: Site) -> None:
    there = await shown(site, business_hours=ALWAYS)
    assert (there["isOnline"], there["businessHours"]) == (True, ALWAYS)
    away = await shown(site, business_hours=NEVER)
    assert (away["isOnline"], away["businessHours"]) == (False, NEVER)


async def test_hours_that_leave_days_out_show_every_day(site: Site) -> None:
    said = await shown(site, business_hours={"monday": ALWAYS["monday"], "sunday": "whenever"})
    assert said["businessHours"] == {**NEVER, "monday": ALWAYS["monday"]}


async def test_without_a_zone_nobody_is_online_by_hours(site: Site) -> None:
    async with site.world.pool.acquire() as conn:
        await conn.execute("UPDATE properties SET settings = '{}'")
    await site.project()
    said = await shown(site, business_hours=ALWAYS)
    assert (said["isOnline"], said["timezone"]) == (False, None)


async def test_an_unknown_key_is_404_no_key_401_and_a_widget_switched_off_403(site: Site) -> None:
    async def ask(headers: dict[str, str]) -> tuple[int, str]:
        answer = await site.client.get(CONFIG, headers=headers)
        return answer.status_code, answer.json()["code"]

    assert await ask({"X-API-Key": "lk_nope"}) == (404, "not_found")
    assert await ask({"Authorization": "Bearer lk_nope"}) == (404, "not_found")
    assert await ask({}) == (401, "no_key")
    await furnish(site.world, is_active=False)
    site.key = await furnish(site.world, is_active=False)
    assert await ask(site.widget()) == (403, "widget_inactive")


async def test_only_pages_of_allowed_origins_may_read_it(site: Site) -> None:
    async def ask(origin: str) -> httpx2.Response:
        return await site.client.get(CONFIG, headers=site.widget(Origin=origin))

    good = await ask(ORIGIN)
    assert good.headers["Access-Control-Allow-Origin"] == ORIGIN
    for origin in ("null", "https://evil.example.com", ORIGIN + ".evil.example"):
        bad = await ask(origin)
        assert (bad.status_code, bad.json()["code"]) == (403, "origin_not_allowed")
        assert "Access-Control-Allow-Origin" not in bad.headers


async def test_no_answer_has_the_key_or_its_hash(site: Site) -> None:
    async with site.world.pool.acquire() as conn:
        hashed = await conn.fetchval("SELECT api_key FROM lumaleasing_config")
    answer = await site.client.get(CONFIG, headers=site.widget())
    assert len(hashed) == 64
    assert hashed not in answer.text
    assert site.key not in answer.text


async def test_what_was_configured_with_a_token_is_read_with_it(
    site: Site, settings: Settings
) -> None:
    put = await site.client.put(
        "/api/lumaleasing/admin/config",
        json={"propertyId": str(site.property_id), "config": {"widgetName": "Ada"}},
        headers=site.console(site.admin),
    )
    token = {"X-CRM-Token": put.headers["X-CRM-Token"]}
    early = await site.client.get(CONFIG, headers=site.widget(**token))
    assert early.status_code == 503
    app = create_app(settings.model_copy(update={"token_wait_seconds": 60}), site.parrot)
    transport = httpx2.ASGITransport(app=app)
    async with app.router.lifespan_context(app), asking("http://crm", transport) as patient:
        reading = asyncio.create_task(patient.get(CONFIG, headers=site.widget(**token)))
        await site.project()
        assert (await reading).json()["config"]["widgetName"] == "Ada"
