"""Forged callbacks of the SMS provider: none of them changes anything, or reveals what exists."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from services.runtime.settings import Settings
from tests.services.api.site import Site
from tests.services.api.sms_callbacks import (
    PHONE,
    PUBLIC_URL,
    open_sms_site,
    send_callback,
    send_sms,
    send_status,
)
from tests.services.api.test_provider_callbacks import plan, read_events
from tests.world import make_world

FORM = {"MessageSid": "SM1", "From": PHONE, "Body": "STOP"}
OUTCOMES = ("delivery.delivered", "delivery.failed", "delivery.handed_over")


@pytest.fixture
async def site(settings: Settings, pool: asyncpg.Pool) -> AsyncIterator[Site]:
    async with open_sms_site(settings, pool) as opened:
        yield opened


@pytest.fixture
async def path(site: Site) -> str:
    await site.create_lead(phone=PHONE)
    return f"/api/callbacks/{site.world.org_id}/sms/messages"


async def assert_refused(site: Site, path: str, **options: object) -> None:
    before = await site.read_event_types()
    response = await send_callback(site, path, FORM, **options)  # type: ignore[arg-type]
    assert response.status_code == 403, response.text
    assert response.json()["code"] == "bad_signature"
    assert await site.read_event_types() == before


async def test_the_signature_of_another_token_is_refused(site: Site, path: str) -> None:
    await assert_refused(site, path, token=SecretStr("another auth token of 16"))


async def test_a_signature_is_valid_for_its_form_only(site: Site, path: str) -> None:
    await assert_refused(site, path, signed_fields={**FORM, "AccountSid": "AC1", "Body": "Hi"})
    await assert_refused(site, path, signed_fields={})


async def test_a_signature_is_valid_for_its_organisation_only(site: Site, path: str) -> None:
    """The URL names the organisation: a callback cannot be moved to another one."""
    other = f"{PUBLIC_URL}/api/callbacks/{uuid4()}/sms/messages"
    await assert_refused(site, path, signed_url=other)
    await assert_refused(site, path, signed_url=f"{PUBLIC_URL}{path}?x=1")


async def test_a_callback_without_a_signature_is_refused(site: Site, path: str) -> None:
    for signature in (b"", b"x", b"\xff\xe9"):
        raw = [(b"X-Twilio-Signature", signature)]
        response = await site.client.post(path, data=FORM, headers=raw)
        assert response.status_code == 403


async def test_a_callback_about_another_account_is_refused(site: Site, path: str) -> None:
    response = await send_callback(site, path, {**FORM, "AccountSid": "AC2"})
    assert response.status_code == 403


async def test_a_valid_callback_acts_in_its_own_organisation_only(
    site: Site, path: str, pool: asyncpg.Pool
) -> None:
    other = await make_world(pool)
    lead = uuid4()
    await other.append(other.new(other.captured(lead, phone=PHONE)))
    await send_sms(site, "STOP")
    withdrawn = await read_events(site, "consent.withdrawn")
    assert len(withdrawn) == 1
    assert withdrawn[0]["lead_id"] != lead


async def test_a_report_about_a_delivery_of_another_organisation_changes_nothing(
    site: Site, pool: asyncpg.Pool
) -> None:
    other = await make_world(pool)
    lead = uuid4()
    await other.append(other.new(other.captured(lead, phone=PHONE)))
    own_org = site.world
    site.world = other
    delivery_id = await plan(site, lead)
    site.world = own_org
    foreign = await send_status(site, delivery_id, "delivered")
    unknown = await send_status(site, uuid4(), "delivered")
    lead_id = await send_status(site, lead, "delivered")
    answers = {(answer.status_code, answer.text) for answer in (foreign, unknown, lead_id)}
    assert len(answers) == 1, "the answer reveals which ids exist"
    assert await read_events(site, *OUTCOMES) == []


async def test_a_message_that_was_never_claimed_cannot_be_reported_as_sent(site: Site) -> None:
    delivery_id = await plan(site, await site.create_lead(phone=PHONE))
    assert (await send_status(site, delivery_id, "delivered")).status_code == 200
    assert await read_events(site, *OUTCOMES) == []


@pytest.mark.parametrize("changes", [{"sms_auth_token": None}, {"public_url": None}])
async def test_without_a_provider_there_are_no_callbacks(
    settings: Settings, pool: asyncpg.Pool, changes: dict[str, object]
) -> None:
    async with open_sms_site(settings, pool, **changes) as site:
        path = f"/api/callbacks/{site.world.org_id}/sms/messages"
        response = await send_callback(site, path, FORM)
        assert response.status_code == 404


async def test_forged_callbacks_are_rate_limited(settings: Settings, pool: asyncpg.Pool) -> None:
    async with open_sms_site(settings, pool, limit_address="2/minute") as site:
        path = f"/api/callbacks/{site.world.org_id}/sms/messages"
        statuses = [(await site.client.post(path, data=FORM)).status_code for _ in range(3)]
        assert statuses == [403, 403, 429]
        # The provider itself has no such limit.
        assert (await send_callback(site, path, FORM)).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"x=" + b"y" * 1_100_000, 413),
        (b"a=1&" * 1_000, 403),
        (b"\xff\xfe=%ff", 403),
        (b"", 403),
        (b"{}", 403),
        (b"%00=%00", 403),
    ],
)
async def test_a_malformed_body_is_refused(site: Site, path: str, body: bytes, status: int) -> None:
    response = await site.client.post(path, content=body)
    assert response.status_code == status


@pytest.mark.parametrize("text", ["x", str(UUID(int=0))[:-1], "../..", "%00"])
async def test_an_id_that_is_none_is_not_found(site: Site, text: str) -> None:
    response = await site.client.post(f"/api/callbacks/{text}/sms/messages", data=FORM)
    assert response.status_code == 404


async def test_a_get_changes_nothing(site: Site, path: str) -> None:
    assert (await site.client.get(path)).status_code == 405


async def test_the_signature_is_that_of_the_provider_s_documentation(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    """The example of https://www.twilio.com/docs/usage/security#validating-requests."""
    from services.api.provider_signatures import is_signed_sms_callback

    form = {
        "CallSid": "CA1234567890ABCDE", "Caller": "+12349013030", "Digits": "1234",
        "From": "+12349013030", "To": "+18005551212",
    }  # fmt: skip
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    token, signature = SecretStr("12345"), "0/KCTR6DLpKmkAf8muzZqo1nDgQ="
    assert is_signed_sms_callback(signature, token, url, form.items())
    assert not is_signed_sms_callback(signature, token, url + "3", form.items())
