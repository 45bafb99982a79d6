"""Error codes that need a special state of the property, or a race: each is produced once."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from events.slots import SlotClosed, SlotOpened
from services.application import command_transaction
from services.deciders.templates import SMS_CHARACTERS
from services.runtime.settings import Settings
from tests.services.api.issuer import serve_issuer
from tests.services.api.lead_requests import change_lead
from tests.services.api.site import Site, open_site
from tests.services.api.tour_requests import at, book, configure_widget, make_slot
from tests.services.api.workflow_requests import post

RACES = 20
PARALLEL_REQUESTS = 8


def code_of(response: httpx2.Response) -> tuple[int, str | None]:
    return response.status_code, response.json().get("code")


async def test_a_property_whose_tours_take_more_than_a_day_books_none(site: Site) -> None:
    """The settings route refuses such a duration. An event of another producer can have it."""
    lead = await site.create_lead()
    for minutes, expected in ((24 * 60 + 1, (400, "invalid_duration")), (24 * 60, (201, None))):
        await configure_widget(site, tour_duration_minutes=minutes)
        response = await site.client.post(
            f"/api/leads/{lead}/tours", json=at("10:00"), headers=site.console_headers()
        )
        assert code_of(response) == expected, minutes


async def test_a_closed_slot_is_not_booked(site: Site) -> None:
    slot = make_slot(site.property_id, "10:00")
    opened = SlotOpened.model_validate({**slot.event_fields, "capacity": 5})
    await site.world.append(
        site.world.new(opened), site.world.new(SlotClosed(slot_id=slot.id, reason="painters"))
    )
    assert code_of(await book(site, at("10:00"))) == (409, "slot_closed")
    assert code_of(await book(site, at("10:30"))) == (201, None)


async def test_an_sms_is_refused_if_it_is_too_long(site: Site) -> None:
    lead = await site.create_lead(phone="+12125550123")
    for length, expected in (
        (SMS_CHARACTERS + 1, (400, "message_too_long")), (SMS_CHARACTERS, (200, None)),
    ):  # fmt: skip
        body = {"channel": "sms", "message": "x" * length}
        assert code_of(await post(site, f"/api/leads/{lead}/send-message", body)) == expected


async def test_an_issuer_that_does_not_answer_makes_the_console_unavailable(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    with serve_issuer() as issuer:
        issuer.add("key", "ES256")
        issuer.status = 500
        changed = settings.model_copy(update={"jwks_url": issuer.url})
        async with open_site(changed, pool) as site:
            token = issuer.issue(site.manager, "key", "ES256")
            response = await site.client.get(
                "/api/leads", params={"propertyId": str(site.property_id)},
                headers={"Authorization": f"Bearer {token}"},
            )  # fmt: skip
    assert code_of(response) == (503, "unavailable")
    assert int(response.headers["Retry-After"]) > 0


async def race_until(code: str, request: Callable[[int], Awaitable[httpx2.Response]]) -> None:
    """Send requests in parallel, again and again, until one gets the code."""
    codes: set[tuple[int, str | None]] = set()
    for number in range(RACES):
        pending = [request(number) for _ in range(PARALLEL_REQUESTS)]
        codes |= {code_of(response) for response in await asyncio.gather(*pending)}
        if (409, code) in codes:
            return
    pytest.fail(f"no race ended with {code}, only with {codes}")


@pytest.fixture
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a command be tried once, so that a lost race is not repeated."""
    monkeypatch.setattr(command_transaction, "ATTEMPTS", 1)


@pytest.mark.usefixtures("one_attempt")
async def test_a_command_that_loses_every_attempt_is_a_conflict(site: Site) -> None:
    lead = await site.create_lead()
    await race_until("conflict", lambda _: change_lead(site, lead, firstName=uuid4().hex))


@pytest.mark.usefixtures("one_attempt")
async def test_an_e_mail_address_that_another_request_takes_first_is_refused(site: Site) -> None:
    async def create(number: int) -> httpx2.Response:
        body = {"propertyId": str(site.property_id), "email": f"ada{number}@example.com"}
        return await post(site, "/api/leads", body)

    await race_until("claim_taken", create)
