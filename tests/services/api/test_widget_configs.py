"""A widget's configuration, as admins read and change it."""

import hashlib
from typing import Any
from uuid import uuid4

import pytest

from services.deciders.local_time import WEEKDAYS
from tests.services.api.site import (
    ORIGIN,
    WIDGET_ADMIN,
    WIDGET_CONFIG,
    Site,
    create_profile,
    create_second_property,
    create_widget,
)
from tests.services.api.widget_requests import change_config, read_config, read_widget_events
from tests.world import make_world

OFFICE_HOURS = {"start": "09:00", "end": "18:00"}


async def test_a_change_is_an_event_with_the_changed_fields_and_their_author(site: Site) -> None:
    before = await read_config(site)
    response = await change_config(site, {"widgetName": "Ada", "brandColor": "#abc"})
    assert (response.status_code, response.json()) == (200, {"success": True})
    after = await read_config(site)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"widget_name", "brand_color", "version", "updated_at"}
    assert after["version"] > before["version"]
    name, payload = (await read_widget_events(site))[-1]
    assert name == "widget.configured"
    assert payload["configured_by"] == str(site.admin)
    assert payload["actor"] == f"user:{site.admin}"
    assert set(payload) == {"property_id", "configured_by", "widget_name", "brand_color", "actor"}


async def test_a_change_to_the_same_values_appends_no_event(site: Site) -> None:
    body = {
        "widgetName": "Ada",
        "holidays": ["2036-12-25"],
        "businessHours": {"monday": OFFICE_HOURS},
    }
    await change_config(site, body)
    before = await read_widget_events(site)
    for _ in range(2):
        assert (await change_config(site, body)).status_code == 200
    assert await read_widget_events(site) == before


async def test_settings_can_be_named_as_in_the_table_or_in_the_widget(site: Site) -> None:
    await change_config(
        site, {"primaryColor": "#111111", "welcomeMessage": "Hi", "autoPopupDelay": 3}
    )
    config = await read_config(site)
    assert (config["brand_color"], config["greeting_message"]) == ("#111111", "Hi")
    assert config["auto_popup_delay_seconds"] == 3
    await change_config(site, {"brand_color": "#222222", "greeting_message": None})
    config = await read_config(site)
    assert (config["brand_color"], config["greeting_message"]) == ("#222222", None)


async def test_the_complete_configuration_can_be_sent_back(site: Site) -> None:
    before = await read_config(site)
    response = await change_config(site, {**before, "widget_name": "Ada"})
    assert response.status_code == 200, response.text
    after = await read_config(site)
    for computed in ("version", "updated_at"):
        before.pop(computed), after.pop(computed)
    assert after == {**before, "widget_name": "Ada"}


@pytest.mark.parametrize("is_configured", [True, False])
async def test_what_a_read_answers_can_be_sent_back_as_it_is(
    site: Site, is_configured: bool
) -> None:
    """The response has no `propertyId` of its own: the one in its configuration counts."""
    property_id = site.property_id if is_configured else await create_second_property(site.world)
    url, headers = f"{WIDGET_ADMIN}/config", site.console_headers(site.admin)
    await site.project()
    read = await site.client.get(url, params={"propertyId": str(property_id)}, headers=headers)
    assert read.status_code == 200, read.text
    written = await site.client.put(url, json=read.json(), headers=headers)
    assert (written.status_code, written.json()) == (200, {"success": True})
    await site.project()
    again = await site.client.get(url, params={"propertyId": str(property_id)}, headers=headers)
    before, after = read.json()["config"], again.json()["config"]
    for computed in ("version", "updated_at"):
        before.pop(computed), after.pop(computed)
    assert after == before


async def test_what_the_widget_reads_can_be_written(site: Site) -> None:
    await change_config(site, {"businessHours": {"monday": OFFICE_HOURS}, "widgetName": "Ada"})
    before = await read_config(site)
    public = (await site.client.get(WIDGET_CONFIG, headers=site.widget_headers())).json()
    response = await change_config(site, public["config"])
    assert response.status_code == 200, response.text
    after = await read_config(site)
    for computed in ("version", "updated_at", "lead_capture_prompt"):
        before.pop(computed), after.pop(computed)
    assert after == before


async def test_null_and_empty_text_restore_the_default(site: Site) -> None:
    before = await read_config(site)
    await change_config(
        site,
        {
            "widgetName": "Ada",
            "logoUrl": "https://a.example/x.png",
            "tourCapacity": 3,
            "businessHours": {"monday": OFFICE_HOURS},
            "secondaryColor": "#000",
        },
    )
    await change_config(site, {"widgetName": "", "logoUrl": " ", "tourCapacity": None,
                               "businessHours": None, "secondaryColor": None})  # fmt: skip
    after = await read_config(site)
    for computed in ("version", "updated_at"):
        before.pop(computed), after.pop(computed)
    assert after == before


async def test_hours_and_dates_are_stored_in_one_form(site: Site) -> None:
    response = await change_config(site, {
        "businessHours": {"monday": OFFICE_HOURS, "friday": {"start": "18:00", "end": "02:00"}},
        "holidays": ["2036-12-25", "2036-01-01", "2036-12-25"], "tourBlackoutDates": [],
    })  # fmt: skip
    assert response.status_code == 200, response.text
    config = await read_config(site)
    assert config["business_hours"] == {
        **dict.fromkeys(WEEKDAYS),
        "monday": OFFICE_HOURS,
        "friday": {"start": "18:00", "end": "02:00"},
    }
    assert config["holidays"] == ["2036-01-01", "2036-12-25"]


async def test_origins_are_stored_as_browsers_send_them(site: Site) -> None:
    origins = ["HTTPS://WWW.Alder.example:443/", "https://www.alder.example",
               "http://localhost:3000", "https://münchen.example"]  # fmt: skip
    assert (await change_config(site, {"allowedOrigins": origins})).status_code == 200
    config = await read_config(site)
    assert config["allowed_origins"] == [
        "https://www.alder.example", "http://localhost:3000", "https://xn--mnchen-3ya.example",
    ]  # fmt: skip
    await site.project()
    for origin, status in (("https://www.alder.example", 200), (ORIGIN, 403), ("null", 403)):
        response = await site.client.get(WIDGET_CONFIG, headers=site.widget_headers(Origin=origin))
        assert response.status_code == status, origin


@pytest.mark.parametrize(
    "config",
    [
        {"brandColor": "blue"}, {"brandColor": "#12345"}, {"secondaryColor": "#1234567"},
        {"brandColor": "#ggg"}, {"brandColor": 0}, {"brandColor": "#000; }"},
        {"logoUrl": "javascript:alert(1)"}, {"logoUrl": "/logo.svg"}, {"logoUrl": "https://"},
        {"logoUrl": 'https://a.example/x.png" onload="x'}, {"logoUrl": "https://[::1"},
        {"allowedOrigins": ["null"]}, {"allowedOrigins": ["*"]}, {"allowedOrigins": "https://a.b"},
        {"allowedOrigins": ["https://a.example/path"]}, {"allowedOrigins": ["a.example"]},
        {"allowedOrigins": ["https://*.a.example"]}, {"allowedOrigins": ["https://a.example?x"]},
        {"allowedOrigins": ["https://u:p@a.example"]}, {"allowedOrigins": ["ftp://a.example"]},
        {"allowedOrigins": [None]}, {"allowedOrigins": ["https://a.example\u0000"]},
        {"businessHours": {"Monday": OFFICE_HOURS}}, {"businessHours": {"mon": OFFICE_HOURS}},
        {"businessHours": {"monday": "09:00-18:00"}}, {"businessHours": []},
        {"businessHours": {"monday": {"start": "9:00", "end": "18:00"}}},
        {"businessHours": {"monday": {"start": "09:00", "end": "24:00"}}},
        {"businessHours": {"monday": {"start": "09:00"}}},
        {"businessHours": {"monday": {**OFFICE_HOURS, "lunch": "12:00"}}},
        {"tourHours": {"monday": {"start": "09:00", "end": "18:00Z"}}},
        {"holidays": ["25.12.2036"]}, {"holidays": ["2036-02-30"]}, {"holidays": "2036-12-25"},
        {"holidays": ["2036-12-25"] * 401}, {"tourDurationMinutes": 0},
        {"tourDurationMinutes": 1441}, {"tourCapacity": 0}, {"tourCapacity": 1.5},
        {"tourBufferMinutes": -1}, {"autoPopupDelay": 10**30}, {"isActive": "yes"},
        {"isActive": 1}, {"widgetName": "x" * 321}, {"widgetName": "\u0000"},
        {"favouriteColor": "#000"}, {"apiKey": "x"}, {"api_key": "x"}, {"configuredBy": "x"},
        {"primaryColor": "#000", "brandColor": "#111"}, [], None, "x",
    ],
)  # fmt: skip
async def test_an_invalid_configuration_is_refused_and_nothing_is_appended(
    site: Site, config: Any
) -> None:
    before = await read_widget_events(site)
    response = await change_config(site, config)
    assert (response.status_code, response.json()["code"]) == (400, "invalid"), response.text
    assert await read_widget_events(site) == before


async def test_only_admins_read_and_change_the_configuration_and_the_key(site: Site) -> None:
    property_id = str(site.property_id)
    for profile_id in (site.manager, site.viewer):
        for method, path, body in (
            ("GET", f"{WIDGET_ADMIN}/config?propertyId={property_id}", None),
            (
                "PUT",
                f"{WIDGET_ADMIN}/config",
                {"propertyId": property_id, "config": {"isActive": False}},
            ),
            ("POST", f"{WIDGET_ADMIN}/regenerate-key", {"propertyId": property_id}),
        ):
            response = await site.client.request(
                method, path, json=body, headers=site.console_headers(profile_id)
            )  # fmt: skip
            assert (response.status_code, response.json()["code"]) == (403, "forbidden"), path
    by_widget_key = await site.client.get(
        f"{WIDGET_ADMIN}/config?propertyId={property_id}", headers=site.widget_headers()
    )
    assert by_widget_key.status_code == 401


async def test_a_property_of_another_organisation_is_not_found(site: Site) -> None:
    other = await make_world(site.world.pool)
    await create_widget(other)
    for property_id in (str(other.properties[0]), str(uuid4())):
        for method, path, body in (
            ("GET", f"{WIDGET_ADMIN}/config?propertyId={property_id}", None),
            (
                "PUT",
                f"{WIDGET_ADMIN}/config",
                {"propertyId": property_id, "config": {"isActive": False}},
            ),
            ("POST", f"{WIDGET_ADMIN}/regenerate-key", {"propertyId": property_id}),
        ):
            response = await site.client.request(
                method, path, json=body, headers=site.console_headers(site.admin)
            )  # fmt: skip
            assert (response.status_code, response.json()["code"]) == (404, "not_found"), path


async def test_the_configuration_contains_neither_the_key_nor_its_hash(site: Site) -> None:
    key_hash = hashlib.sha256(site.key.encode()).hexdigest()
    config = await read_config(site)
    assert {"api_key", "key_id", "apiKey"} & set(config) == set()
    assert key_hash not in str(config)


async def test_a_token_of_a_deleted_profile_is_401(site: Site) -> None:
    profile_id = await create_profile(site.world, "admin")
    async with site.world.pool.acquire() as conn:
        await conn.execute("DELETE FROM profiles WHERE id = $1", profile_id)
    response = await site.client.get(
        f"{WIDGET_ADMIN}/config?propertyId={site.property_id}",
        headers=site.console_headers(profile_id),
    )
    assert response.status_code == 401
