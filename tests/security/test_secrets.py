"""Secrets: strong or not set, random where the core makes them, and never given to a stranger."""

import json
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import pytest
from pydantic import SecretStr, ValidationError

from events.log.secret_keys import load_secret_keys, rotate_secret_key
from services.api import secret_keys
from services.intake.settings import IntakeSettings, load_intake_settings
from services.runtime.clock import Clock
from services.runtime.environment import explain, to_environment
from services.runtime.listening import StartError
from services.runtime.settings import Settings
from tests.services.api.site import (
    CHAT,
    WIDGET_ADMIN,
    EchoResponder,
    Site,
    open_api,
    open_site,
)

REQUIRED = {"DATABASE_URL": "postgresql://u:p@db/crm", "KAFKA_BOOTSTRAP_SERVERS": "b:1"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Leave only the required settings in the environment."""
    for name in list(os.environ):
        if name.startswith("CRM_"):
            monkeypatch.delenv(name)
    for name, value in {**REQUIRED, "CRM_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
async def site(settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    async with open_site(settings, pool) as own:
        yield own


@pytest.mark.parametrize(("length", "is_accepted"), [(1, False), (31, False), (32, True)])
def test_the_secret_of_console_tokens_has_at_least_32_characters(
    environment: pytest.MonkeyPatch, length: int, is_accepted: bool
) -> None:
    environment.setenv("CRM_JWT_SECRET", "s" * length)
    if is_accepted:
        assert Settings().jwt_secret == SecretStr("s" * length)
        return
    with pytest.raises(ValidationError) as error:
        Settings()
    assert "CRM_JWT_SECRET" in explain(error.value)
    assert "32" in explain(error.value)


@pytest.mark.parametrize(("length", "is_accepted"), [(16, False), (31, False), (32, True)])
def test_the_secret_of_a_producer_has_at_least_32_characters(
    environment: pytest.MonkeyPatch, length: int, is_accepted: bool
) -> None:
    secret = "s" * length
    environment.setenv(
        "CRM_INTAKE_KEYS", json.dumps({"k": {"org": str(uuid4()), "secret": secret}})
    )
    if is_accepted:
        assert load_intake_settings().keys["k"].secret == SecretStr(secret)
        return
    with pytest.raises(StartError, match=r"CRM_INTAKE_KEYS.*32") as error:
        load_intake_settings()
    assert secret not in str(error.value)


@pytest.mark.parametrize("name", sorted(set(Settings.model_fields) - {"database_url", "home"}))
def test_an_empty_variable_means_that_the_setting_is_not_set(
    environment: pytest.MonkeyPatch, name: str
) -> None:
    variable = name.upper() if name == "kafka_bootstrap_servers" else f"CRM_{name.upper()}"
    environment.setenv(variable, "")
    if name == "kafka_bootstrap_servers":
        with pytest.raises(ValidationError) as error:
            Settings()
        assert "KAFKA_BOOTSTRAP_SERVERS is not set" in explain(error.value)
    else:
        assert getattr(Settings(), name) == Settings.model_fields[name].default


def test_an_empty_variable_of_the_intake_means_that_the_setting_is_not_set(
    environment: pytest.MonkeyPatch,
) -> None:
    defaults = IntakeSettings()
    for name in IntakeSettings.model_fields:
        environment.setenv(f"CRM_INTAKE_{name.upper()}", "")
    assert IntakeSettings() == defaults


def test_a_limit_is_switched_off_by_name_and_stays_off_in_a_child_process(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("CRM_LIMIT_ADDRESS", "none")
    settings = Settings()
    assert settings.limit_address == ""
    for name, value in to_environment(settings).items():
        environment.setenv(name, value)
    assert Settings() == settings


async def test_no_setting_changes_the_key_of_session_tokens(site: Site, settings: Settings) -> None:
    first = (await site.client.post(
        CHAT, json={"message": "hi"}, headers={"X-API-Key": site.key}
    )).json()  # fmt: skip
    for secret in (None, SecretStr("another secret of the console, 32 characters")):
        changed = settings.model_copy(update={"jwt_secret": secret})
        async with open_api(changed, EchoResponder()) as client:
            assert await continues(site, client, first) == 200


async def continues(site: Site, client: httpx2.AsyncClient, turn: dict[str, Any]) -> int:
    """Send a message in the session with its token; return the status."""
    response = await client.post(
        CHAT, json={"message": "hi", "sessionId": turn["sessionId"]},
        headers={"X-API-Key": site.key, "X-Session-Token": turn["sessionToken"]},
    )  # fmt: skip
    return response.status_code


async def test_a_rotated_key_is_accepted_until_it_is_retired(
    site: Site, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that has read the keys before the rotation accepts a token with the new key."""
    monkeypatch.setattr(secret_keys, "MIN_AGE_SECONDS", 0)
    before = (await site.client.post(
        CHAT, json={"message": "hi"}, headers={"X-API-Key": site.key}
    )).json()  # fmt: skip
    async with site.world.pool.acquire() as conn:
        await rotate_secret_key(conn, "session_token", timedelta(hours=1))
    async with open_api(settings, EchoResponder()) as client:
        assert await continues(site, client, before) == 200
        after = (await client.post(
            CHAT, json={"message": "hi"}, headers={"X-API-Key": site.key}
        )).json()  # fmt: skip
    assert await continues(site, site.client, after) == 200
    async with site.world.pool.acquire() as conn:
        await rotate_secret_key(conn, "session_token", timedelta(0))
    async with open_api(settings, EchoResponder()) as client:
        assert await continues(site, client, before) == 404


@pytest.mark.parametrize("hours", [1, 5])
async def test_a_session_token_expires_and_is_renewed_by_use(
    site: Site, settings: Settings, hours: float
) -> None:
    clock = Clock(timedelta(hours=-hours * 1.2))
    short = settings.model_copy(update={"session_token_hours": hours})
    async with open_api(short, EchoResponder(), clock=clock) as client:
        first = (await client.post(
            CHAT, json={"message": "hi"}, headers={"X-API-Key": site.key}
        )).json()  # fmt: skip
        await site.project()
        clock.offset = timedelta(hours=-hours * 0.6)
        read = await client.get(
            CHAT, params={"sessionId": first["sessionId"]},
            headers={"X-API-Key": site.key, "X-Session-Token": first["sessionToken"]},
        )  # fmt: skip
        assert read.status_code == 200
        clock.offset = timedelta()
        assert await continues(site, client, first) == 404
        assert await continues(site, client, {**first, **read.json()}) == 200


async def test_a_repeated_request_gets_no_token_of_an_anonymous_session(site: Site) -> None:
    """Somebody in the same network who knows key and body of a request repeats it."""
    for headers, more in (({"Idempotency-Key": "one"}, {}), ({}, {"messageId": str(uuid4())})):
        first, again = [
            await site.client.post(
                CHAT, json={"message": "hi", **more}, headers={"X-API-Key": site.key, **headers}
            )
            for _ in range(2)
        ]
        assert first.json()["sessionToken"]
        assert again.json() == {**first.json(), "sessionToken": None}


async def test_a_repeated_request_with_a_token_gets_a_token(site: Site) -> None:
    first = (await site.client.post(
        CHAT, json={"message": "hi"}, headers={"X-API-Key": site.key}
    )).json()  # fmt: skip
    for headers, more in (({"Idempotency-Key": "one"}, {}), ({}, {"messageId": str(uuid4())})):
        for _ in range(2):
            response = await site.client.post(
                CHAT, json={"message": "two", "sessionId": first["sessionId"], **more},
                headers={
                    "X-API-Key": site.key, "X-Session-Token": first["sessionToken"], **headers,
                },
            )  # fmt: skip
            assert response.json()["sessionToken"], response.text


async def test_a_guessed_visitor_id_gets_no_token_for_a_repeated_message(site: Site) -> None:
    message = {"message": "hi", "messageId": str(uuid4())}
    await site.client.post(CHAT, json=message, headers={"X-API-Key": site.key})
    again = await site.client.post(CHAT, json=message, headers=site.widget_headers("v_guess"))
    assert again.json()["sessionToken"] is None


async def test_a_repeated_request_gets_the_same_widget_key_until_the_secret_is_rotated(
    site: Site, settings: Settings
) -> None:
    async def regenerate(client: httpx2.AsyncClient) -> httpx2.Response:
        return await client.post(
            f"{WIDGET_ADMIN}/regenerate-key", json={"propertyId": str(site.property_id)},
            headers=site.console_headers(site.admin, {"Idempotency-Key": "one"}),
        )  # fmt: skip

    first = await regenerate(site.client)
    assert (await regenerate(site.client)).json() == first.json()
    async with site.world.pool.acquire() as conn:
        await rotate_secret_key(conn, "widget_key", timedelta(hours=1))
    async with open_api(settings, EchoResponder()) as client:
        refused = await regenerate(client)
    assert (refused.status_code, refused.json()["code"]) == (409, "key_not_shown_again")


async def test_counters_of_limits_are_stored_under_a_random_key(
    site: Site, settings: Settings
) -> None:
    limited = settings.model_copy(update={"limit_contact": "1/hour"})
    body = {"email": "ada@example.com"}
    statuses = []
    for _ in range(3):
        async with open_api(limited, EchoResponder()) as client:
            response = await client.post(
                "/api/lumaleasing/lead", json=body, headers=site.widget_headers()
            )
            statuses.append(response.status_code)
        async with site.world.pool.acquire() as conn:
            if len(statuses) == 2:
                await rotate_secret_key(conn, "rate_limit", timedelta(hours=1))
            keys = [row["key"] for row in await conn.fetch("SELECT key FROM crm.rate_limits")]
            assert not any("@" in key or "example" in key for key in keys)
    assert statuses == [200, 429, 200]


@pytest.mark.parametrize("purpose", ["session_token", "visitor_id", "rate_limit", "widget_key"])
async def test_every_database_has_keys_of_its_own(pool: asyncpg.Pool, purpose: Any) -> None:
    async with pool.acquire() as conn:
        [key] = await load_secret_keys(conn, purpose)
        others = await conn.fetch("SELECT key FROM crm.secret_keys WHERE purpose <> $1", purpose)
    assert len(key.key) == 32
    assert key.key not in [row["key"] for row in others]
