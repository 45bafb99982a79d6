"""What admins set: a widget's configuration and key."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from services.api.routes import widget_admin
from services.deciders.business_hours import WEEKDAYS
from tests.services.api.conftest import ORIGIN, Site, employ, furnish
from tests.world import make_world

ADMIN = "/api/lumaleasing/admin"
CHAT = "/api/lumaleasing/chat"
OFFICE = {"start": "09:00", "end": "18:00"}


async def put(site: Site, config: Any, **more: Any) -> httpx2.Response:
    body = {"propertyId": str(site.property_id), "config": config, **more}
    return await site.client.put(
        f"{ADMIN}/config", json=body, headers=site.console(site.admin)
    )  # fmt: skip


async def held(site: Site) -> dict[str, Any]:
    await site.project()
    answer = await site.client.get(
        f"{ADMIN}/config", params={"propertyId": str(site.property_id)},
        headers=site.console(site.admin),
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["config"]
    return found


async def regenerate(
    site: Site, more: dict[str, str] | None = None, **body: Any
) -> httpx2.Response:
    return await site.client.post(
        f"{ADMIN}/regenerate-key", json={"propertyId": str(site.property_id), **body},
        headers=site.console(site.admin, more),
    )  # fmt: skip


async def opens(site: Site, key: str) -> bool:
    answer = await site.client.post(CHAT, json={"message": "hi"}, headers={"X-API-Key": key})
    return answer.status_code == 200


async def widget_events(site: Site) -> list[tuple[str, dict[str, Any]]]:
    async with site.world.pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT event_type, payload, actor FROM crm_events WHERE entity_type = 'widget' "
            "ORDER BY seq"
        )
    return [(row["event_type"], row["payload"] | {"actor": row["actor"]}) for row in rows]


async def test_a_change_is_partial_an_event_and_says_who_made_it(site: Site) -> None:
    before = await held(site)
    answer = await put(site, {"widgetName": "Ada", "brandColor": "#abc"})
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    after = await held(site)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"widget_name", "brand_color", "version", "updated_at"}
    assert after["version"] > before["version"]
    name, said = (await widget_events(site))[-1]
    assert name == "widget.configured"
    assert said["configured_by"] == str(site.admin)
    assert said["actor"] == f"user:{site.admin}"
    assert set(said) == {"property_id", "configured_by", "widget_name", "brand_color", "actor"}


async def test_what_is_so_already_is_no_event(site: Site) -> None:
    body = {"widgetName": "Ada", "holidays": ["2036-12-25"], "businessHours": {"monday": OFFICE}}
    await put(site, body)
    before = await widget_events(site)
    for _ in range(2):
        assert (await put(site, body)).status_code == 200
    assert await widget_events(site) == before


async def test_the_names_of_the_table_and_of_the_widget_are_understood_too(site: Site) -> None:
    await put(site, {"primaryColor": "#111111", "welcomeMessage": "Hi", "autoPopupDelay": 3})
    found = await held(site)
    assert (found["brand_color"], found["greeting_message"]) == ("#111111", "Hi")
    assert found["auto_popup_delay_seconds"] == 3
    await put(site, {"brand_color": "#222222", "greeting_message": None})
    found = await held(site)
    assert (found["brand_color"], found["greeting_message"]) == ("#222222", None)


async def test_what_was_shown_can_be_sent_back_whole(site: Site) -> None:
    before = await held(site)
    answer = await put(site, {**before, "widget_name": "Ada"})
    assert answer.status_code == 200, answer.text
    after = await held(site)
    for ours in ("version", "updated_at"):
        before.pop(ours), after.pop(ours)
    assert after == {**before, "widget_name": "Ada"}


async def test_null_and_an_empty_text_make_it_as_if_never_set(site: Site) -> None:
    before = await held(site)
    await put(site, {"widgetName": "Ada", "logoUrl": "https://a.example/x.png", "tourCapacity": 3,
                     "businessHours": {"monday": OFFICE}, "secondaryColor": "#000"})  # fmt: skip
    await put(site, {"widgetName": "", "logoUrl": " ", "tourCapacity": None,
                     "businessHours": None, "secondaryColor": None})  # fmt: skip
    after = await held(site)
    for ours in ("version", "updated_at"):
        before.pop(ours), after.pop(ours)
    assert after == before


async def test_hours_and_days_are_kept_in_one_form(site: Site) -> None:
    answer = await put(site, {
        "businessHours": {"monday": OFFICE, "friday": {"start": "18:00", "end": "02:00"}},
        "holidays": ["2036-12-25", "2036-01-01", "2036-12-25"], "tourBlackoutDates": [],
    })  # fmt: skip
    assert answer.status_code == 200, answer.text
    found = await held(site)
    assert found["business_hours"] == {
        **dict.fromkeys(WEEKDAYS), "monday": OFFICE, "friday": {"start": "18:00", "end": "02:00"},
    }  # fmt: skip
    assert found["holidays"] == ["2036-01-01", "2036-12-25"]


async def test_origins_are_kept_as_browsers_send_them(site: Site) -> None:
    sent = ["HTTPS://WWW.Alder.example:443/", "https://www.alder.example",
            "http://localhost:3000", "https://münchen.example"]  # fmt: skip
    assert (await put(site, {"allowedOrigins": sent})).status_code == 200
    found = await held(site)
    assert found["allowed_origins"] == [
        "https://www.alder.example", "http://localhost:3000", "https://xn--mnchen-3ya.example",
    ]  # fmt: skip
    preflight = {"Access-Control-Request-Method": "POST"}
    for origin, status in (("https://www.alder.example", 204), (ORIGIN, 403), ("null", 403)):
        answer = await site.client.options(CHAT, headers={"Origin": origin, **preflight})
        assert answer.status_code == status, origin


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
        {"businessHours": {"Monday": OFFICE}}, {"businessHours": {"mon": OFFICE}},
        {"businessHours": {"monday": "09:00-18:00"}}, {"businessHours": []},
        {"businessHours": {"monday": {"start": "9:00", "end": "18:00"}}},
        {"businessHours": {"monday": {"start": "09:00", "end": "24:00"}}},
        {"businessHours": {"monday": {"start": "09:00"}}},
        {"businessHours": {"monday": {**OFFICE, "lunch": "12:00"}}},
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
async def test_what_makes_no_sense_is_refused_and_nothing_is_changed(
    site: Site, config: Any
) -> None:
    before = await widget_events(site)
    answer = await put(site, config)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), answer.text
    assert await widget_events(site) == before


async def test_only_admins_see_and_change_configuration_and_keys(site: Site) -> None:
    host_property = str(site.property_id)
    for who in (site.manager, site.viewer):
        for method, path, sent in (
            ("GET", f"{ADMIN}/config?propertyId={host_property}", None),
            (
                "PUT",
                f"{ADMIN}/config",
                {"propertyId": host_property, "config": {"isActive": False}},
            ),
            ("POST", f"{ADMIN}/regenerate-key", {"propertyId": host_property}),
        ):
            answer = await site.client.request(
                method, path, json=sent, headers=site.console(who)
            )  # fmt: skip
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), path
    key = await site.client.get(f"{ADMIN}/config?propertyId={host_property}", headers=site.widget())
    assert key.status_code == 401


async def test_a_property_of_others_is_not_there(site: Site) -> None:
    other = await make_world(site.world.pool)
    await furnish(other)
    for host_property in (str(other.properties[0]), str(uuid4())):
        for method, path, sent in (
            ("GET", f"{ADMIN}/config?propertyId={host_property}", None),
            (
                "PUT",
                f"{ADMIN}/config",
                {"propertyId": host_property, "config": {"isActive": False}},
            ),
            ("POST", f"{ADMIN}/regenerate-key", {"propertyId": host_property}),
        ):
            answer = await site.client.request(
                method, path, json=sent, headers=site.console(site.admin)
            )  # fmt: skip
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


async def test_no_configuration_has_the_key_or_its_hash(site: Site) -> None:
    hashed = hashlib.sha256(site.key.encode()).hexdigest()
    found = await held(site)
    assert {"api_key", "key_id", "apiKey"} & set(found) == set()
    assert hashed not in str(found)


async def test_a_new_key_opens_and_the_old_one_does_for_a_day(site: Site) -> None:
    answer = await regenerate(site)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    until = datetime.fromisoformat(said["previousValidUntil"])
    assert abs(until - datetime.now(UTC) - timedelta(hours=24)) < timedelta(minutes=5)
    await site.project()
    assert await opens(site, said["apiKey"])
    assert await opens(site, site.key)
    name, event = (await widget_events(site))[-1]
    assert name == "widget.key_issued"
    assert event["issued_by"] == str(site.admin)
    assert event["key_hash"] == hashlib.sha256(said["apiKey"].encode()).hexdigest()
    assert said["apiKey"] not in str(event)


async def test_the_overlap_is_what_was_asked_for_and_may_be_none(site: Site) -> None:
    said = (await regenerate(site, overlapHours=0)).json()
    assert said["previousValidUntil"] is None
    await site.project()
    assert await opens(site, said["apiKey"])
    assert not await opens(site, site.key)
    hour = (await regenerate(site, overlapHours=1.5)).json()["previousValidUntil"]
    left = datetime.fromisoformat(hour) - datetime.now(UTC)
    assert timedelta(hours=1.4) < left <= timedelta(hours=1.5)
    for wrong in (-1, 721, "a day", None):
        assert (await regenerate(site, overlapHours=wrong)).status_code == 400


async def test_an_overlap_ends(site: Site) -> None:
    said = (await regenerate(site, overlapHours=1 / 36_000)).json()
    await site.project()
    until = datetime.fromisoformat(said["previousValidUntil"])
    while datetime.now(UTC) <= until:
        await opens(site, said["apiKey"])
    assert not await opens(site, site.key)
    assert await opens(site, said["apiKey"])


async def test_a_repeat_shows_the_same_key_and_issues_no_other(site: Site) -> None:
    once = {"Idempotency-Key": "rotate-1"}
    first = await regenerate(site, once)
    again = await regenerate(site, once)
    assert first.json() == again.json()
    assert first.headers["X-CRM-Token"] == again.headers["X-CRM-Token"]
    issued = [name for name, _ in await widget_events(site) if name == "widget.key_issued"]
    assert len(issued) == 2
    assert (await regenerate(site)).json()["apiKey"] != first.json()["apiKey"]


async def test_a_key_of_another_secret_is_not_shown_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be another key, which opens nothing."""
    once = {"Idempotency-Key": "rotate-1"}
    await regenerate(site, once)
    monkeypatch.setattr(widget_admin, "key_of", lambda _secret, seed: f"lk_{seed}")
    again = await regenerate(site, once)
    assert (again.status_code, again.json()["code"]) == (409, "key_not_shown_again")


async def test_no_table_holds_a_key_that_was_shown(site: Site) -> None:
    key = (await regenerate(site, {"Idempotency-Key": "rotate-1"})).json()["apiKey"]
    await site.project()
    async with site.world.pool.acquire() as conn:
        kept = await conn.fetch("SELECT to_jsonb(c)::text AS row FROM crm.commands c")
        config = await conn.fetchval("SELECT to_jsonb(c)::text FROM lumaleasing_config c")
    assert kept
    assert key not in " ".join(row["row"] for row in kept)
    assert key not in config


async def test_a_person_with_no_profile_any_more_is_nobody(site: Site) -> None:
    gone = await employ(site.world, "admin")
    async with site.world.pool.acquire() as conn:
        await conn.execute("DELETE FROM profiles WHERE id = $1", gone)
    answer = await site.client.get(
        f"{ADMIN}/config?propertyId={site.property_id}", headers=site.console(gone)
    )
    assert answer.status_code == 401
