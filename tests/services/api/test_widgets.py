"""The configuration that the widget reads when it is shown."""

import asyncio
from typing import Any

import httpx2

from services.deciders.local_time import WEEKDAYS
from services.runtime.settings import Settings
from tests.services.api.site import (
    ORIGIN,
    WIDGET_ADMIN,
    WIDGET_CONFIG,
    Site,
    create_widget,
    open_api,
)

ALWAYS_OPEN = {day: {"start": "00:00", "end": "00:00"} for day in WEEKDAYS}
NEVER_OPEN: dict[str, Any] = dict.fromkeys(WEEKDAYS)


async def read_config(site: Site, **settings: Any) -> dict[str, Any]:
    """Create a widget with these settings and return the configuration that it reads."""
    site.key = await create_widget(site.world, **settings)
    response = await site.client.get(WIDGET_CONFIG, headers=site.widget_headers())
    assert response.status_code == 200, response.text
    config: dict[str, Any] = response.json()
    return config


async def test_a_widget_without_settings_shows_the_defaults(site: Site) -> None:
    assert await read_config(site) == {
        "config": {
            "widgetName": "Luma", "primaryColor": "#3B82F6", "secondaryColor": None,
            "logoUrl": None, "welcomeMessage": None, "offlineMessage": None, "autoPopupDelay": 0,
            "requireEmailBeforeChat": False, "collectName": True, "collectEmail": True,
            "collectPhone": False, "leadCapturePrompt": None, "toursEnabled": True,
            "propertyName": "Alder 0",
        },
        "isOnline": True, "businessHours": None, "holidays": [], "timezone": "America/New_York",
    }  # fmt: skip


async def test_every_setting_is_shown_under_the_name_that_clients_read(site: Site) -> None:
    body = await read_config(
        site, widget_name="Ada", brand_color="#010203", secondary_color="#FFF",
        logo_url="https://a.example/logo.svg", greeting_message="Hi", offline_message="Bye",
        auto_popup_delay_seconds=7, require_email_before_chat=True, collect_name=False,
        collect_email=False, collect_phone=True, lead_capture_prompt="Who are you?",
        tours_enabled=False,
    )  # fmt: skip
    assert body["config"] == {
        "widgetName": "Ada", "primaryColor": "#010203", "secondaryColor": "#FFF",
        "logoUrl": "https://a.example/logo.svg", "welcomeMessage": "Hi", "offlineMessage": "Bye",
        "autoPopupDelay": 7, "requireEmailBeforeChat": True, "collectName": False,
        "collectEmail": False, "collectPhone": True, "leadCapturePrompt": "Who are you?",
        "toursEnabled": False, "propertyName": "Alder 0",
    }  # fmt: skip


async def test_a_widget_is_online_only_within_business_hours(site: Site) -> None:
    open_widget = await read_config(site, business_hours=ALWAYS_OPEN)
    assert (open_widget["isOnline"], open_widget["businessHours"]) == (True, ALWAYS_OPEN)
    closed_widget = await read_config(site, business_hours=NEVER_OPEN)
    assert (closed_widget["isOnline"], closed_widget["businessHours"]) == (False, NEVER_OPEN)


async def test_business_hours_are_shown_for_every_day_of_the_week(site: Site) -> None:
    body = await read_config(
        site, business_hours={"monday": ALWAYS_OPEN["monday"], "sunday": "whenever"}
    )
    assert body["businessHours"] == {**NEVER_OPEN, "monday": ALWAYS_OPEN["monday"]}


async def test_a_property_without_a_time_zone_is_never_online_by_hours(site: Site) -> None:
    async with site.world.pool.acquire() as conn:
        await conn.execute("UPDATE properties SET settings = '{}'")
    await site.project()
    body = await read_config(site, business_hours=ALWAYS_OPEN)
    assert (body["isOnline"], body["timezone"]) == (False, None)


async def test_an_unknown_key_is_404_no_key_401_and_an_inactive_widget_403(site: Site) -> None:
    async def read_error(headers: dict[str, str]) -> tuple[int, str]:
        response = await site.client.get(WIDGET_CONFIG, headers=headers)
        return response.status_code, response.json()["code"]

    assert await read_error({"X-API-Key": "lk_nope"}) == (404, "not_found")
    assert await read_error({"Authorization": "Bearer lk_nope"}) == (404, "not_found")
    assert await read_error({}) == (401, "no_key")
    await create_widget(site.world, is_active=False)
    site.key = await create_widget(site.world, is_active=False)
    assert await read_error(site.widget_headers()) == (403, "widget_inactive")


async def test_only_pages_of_allowed_origins_can_read_the_configuration(site: Site) -> None:
    async def read_from(origin: str) -> httpx2.Response:
        return await site.client.get(WIDGET_CONFIG, headers=site.widget_headers(Origin=origin))

    allowed = await read_from(ORIGIN)
    assert allowed.headers["Access-Control-Allow-Origin"] == ORIGIN
    for origin in ("null", "https://evil.example.com", ORIGIN + ".evil.example"):
        refused = await read_from(origin)
        assert (refused.status_code, refused.json()["code"]) == (403, "origin_not_allowed")
        assert "Access-Control-Allow-Origin" not in refused.headers


async def test_the_configuration_contains_neither_the_key_nor_its_hash(site: Site) -> None:
    async with site.world.pool.acquire() as conn:
        key_hash = await conn.fetchval("SELECT api_key FROM lumaleasing_config")
    response = await site.client.get(WIDGET_CONFIG, headers=site.widget_headers())
    assert len(key_hash) == 64
    assert key_hash not in response.text
    assert site.key not in response.text


async def test_a_read_with_the_token_of_a_change_contains_the_change(
    site: Site, settings: Settings
) -> None:
    changed = await site.client.put(
        f"{WIDGET_ADMIN}/config",
        json={"propertyId": str(site.property_id), "config": {"widgetName": "Ada"}},
        headers=site.console_headers(site.admin),
    )
    token = {"X-CRM-Token": changed.headers["X-CRM-Token"]}
    too_early = await site.client.get(WIDGET_CONFIG, headers=site.widget_headers(**token))
    assert too_early.status_code == 503
    patient_settings = settings.model_copy(update={"token_wait_seconds": 60})
    async with open_api(patient_settings, site.responder) as client:
        reading = asyncio.create_task(
            client.get(WIDGET_CONFIG, headers=site.widget_headers(**token))
        )
        await site.project()
        assert (await reading).json()["config"]["widgetName"] == "Ada"
