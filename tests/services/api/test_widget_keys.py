"""A widget's key, as admins issue it."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from services.api.routes import widget_keys
from tests.services.api.consistency_tokens import read_token
from tests.services.api.site import Site
from tests.services.api.widget_requests import is_accepted, issue_key, read_widget_events


async def test_a_new_key_is_accepted_and_the_previous_one_for_a_day(site: Site) -> None:
    response = await issue_key(site)
    assert response.status_code == 200, response.text
    issued = response.json()
    valid_until = datetime.fromisoformat(issued["previousValidUntil"])
    assert abs(valid_until - datetime.now(UTC) - timedelta(hours=24)) < timedelta(minutes=5)
    await site.project()
    assert await is_accepted(site, issued["apiKey"])
    assert await is_accepted(site, site.key)
    name, event = (await read_widget_events(site))[-1]
    assert name == "widget.key_issued"
    assert event["issued_by"] == str(site.admin)
    assert event["key_hash"] == hashlib.sha256(issued["apiKey"].encode()).hexdigest()
    assert issued["apiKey"] not in str(event)


async def test_the_overlap_of_keys_is_as_requested(site: Site) -> None:
    issued = (await issue_key(site, overlapHours=0)).json()
    assert issued["previousValidUntil"] is None
    await site.project()
    assert await is_accepted(site, issued["apiKey"])
    assert not await is_accepted(site, site.key)
    valid_until = (await issue_key(site, overlapHours=1.5)).json()["previousValidUntil"]
    remaining = datetime.fromisoformat(valid_until) - datetime.now(UTC)
    assert timedelta(hours=1.4) < remaining <= timedelta(hours=1.5)
    for hours in (-1, 721, "a day", None):
        assert (await issue_key(site, overlapHours=hours)).status_code == 400


async def test_the_previous_key_is_refused_after_the_overlap(site: Site) -> None:
    issued = (await issue_key(site, overlapHours=1 / 36_000)).json()
    await site.project()
    valid_until = datetime.fromisoformat(issued["previousValidUntil"])
    while datetime.now(UTC) <= valid_until:
        await is_accepted(site, issued["apiKey"])
    assert not await is_accepted(site, site.key)
    assert await is_accepted(site, issued["apiKey"])


async def test_a_repeated_request_returns_the_same_key_and_issues_no_other(site: Site) -> None:
    headers = {"Idempotency-Key": "rotate-1"}
    first = await issue_key(site, headers)
    again = await issue_key(site, headers)
    assert first.json() == again.json()
    assert await read_token(site, first) == await read_token(site, again)
    issued = [name for name, _ in await read_widget_events(site) if name == "widget.key_issued"]
    assert len(issued) == 2
    assert (await issue_key(site)).json()["apiKey"] != first.json()["apiKey"]


async def test_a_key_is_not_returned_again_after_a_change_of_the_secret(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another secret computes another key, which is not the issued one."""
    headers = {"Idempotency-Key": "rotate-1"}
    await issue_key(site, headers)
    monkeypatch.setattr(widget_keys, "derive_key", lambda _secret, seed: f"lk_{seed}")
    again = await issue_key(site, headers)
    assert (again.status_code, again.json()["code"]) == (409, "key_not_shown_again")


async def test_no_table_contains_a_returned_key(site: Site) -> None:
    key = (await issue_key(site, {"Idempotency-Key": "rotate-1"})).json()["apiKey"]
    await site.project()
    async with site.world.pool.acquire() as conn:
        commands = await conn.fetch("SELECT to_jsonb(c)::text AS row FROM crm.commands c")
        config = await conn.fetchval("SELECT to_jsonb(c)::text FROM lumaleasing_config c")
    assert commands
    assert key not in " ".join(row["row"] for row in commands)
    assert key not in config
