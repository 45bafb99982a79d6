"""Attacks on event streams through their address, which browsers, proxies and servers log."""

import hashlib
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.services.api.site import CHAT, CHAT_STREAM, STREAM_TICKETS, Site, create_widget


async def start_session(site: Site, visitor: str) -> dict[str, Any]:
    turn = await site.send_chat("hello", visitor)
    await site.project()
    return turn


async def get_ticket(
    site: Site, session: str, visitor: str = "v_1", **more: str
) -> httpx2.Response:
    headers = site.widget_headers(visitor, **more)
    return await site.client.post(STREAM_TICKETS, json={"sessionId": session}, headers=headers)


async def open_stream(site: Site, **query: str) -> tuple[int, str]:
    """Return the status and the code, or the whole stream, of a request without headers."""
    response = await site.client.get(CHAT_STREAM, params=query)
    is_stream = response.status_code == 200
    return response.status_code, response.text if is_stream else response.json()["code"]


async def test_neither_key_nor_visitor_id_nor_session_token_is_read_from_the_address(
    site_in_process: Site,
) -> None:
    turn = await start_session(site_in_process, "v_1")
    secrets = {
        "key": site_in_process.key, "apiKey": site_in_process.key, "visitorId": "v_1",
        "sessionToken": turn["sessionToken"],
    }  # fmt: skip
    status = await open_stream(site_in_process, sessionId=turn["sessionId"], **secrets)
    assert status == (401, "no_key")


async def test_a_ticket_opens_one_stream_of_its_session(site_in_process: Site) -> None:
    session = (await start_session(site_in_process, "v_1"))["sessionId"]
    created = await get_ticket(site_in_process, session)
    assert (created.status_code, created.json()["expiresInSeconds"]) == (201, 60)
    ticket = created.json()["ticket"]
    status, stream = await open_stream(site_in_process, sessionId=session, ticket=ticket)
    assert status == 200
    assert "hello" in stream
    again = await open_stream(site_in_process, sessionId=session, ticket=ticket)
    assert again == (401, "bad_ticket")


async def test_a_ticket_opens_no_other_session_and_no_other_route(site_in_process: Site) -> None:
    site = site_in_process
    own, other = [(await start_session(site, name))["sessionId"] for name in ("v_1", "v_2")]
    ticket = (await get_ticket(site, own)).json()["ticket"]
    assert await open_stream(site, sessionId=other, ticket=ticket) == (401, "bad_ticket")
    polled = await site.client.get(CHAT, params={"sessionId": own, "ticket": ticket})
    assert polled.status_code == 401
    for wrong in ("x", "x" * 101, ticket + "x"):
        assert await open_stream(site, sessionId=own, ticket=wrong) == (401, "bad_ticket")


async def test_only_the_visitor_of_a_session_gets_a_ticket(site_in_process: Site) -> None:
    site = site_in_process
    session = (await start_session(site, "v_1"))["sessionId"]
    for unknown in (session, str(uuid4())):
        refused = await get_ticket(site, unknown, "v_2")
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    anonymous = await site.client.post(
        CHAT, json={"message": "hello"}, headers={"X-API-Key": site.key}
    )
    await site.project()
    turn = anonymous.json()
    headers = {"X-API-Key": site.key, "X-Session-Token": turn["sessionToken"]}
    body = {"sessionId": turn["sessionId"]}
    allowed = await site.client.post(STREAM_TICKETS, json=body, headers=headers)
    ticket = allowed.json()["ticket"]
    status, stream = await open_stream(site, sessionId=turn["sessionId"], ticket=ticket)
    assert (status, "hello" in stream) == (200, True)
    without_token = await site.client.post(
        STREAM_TICKETS, json=body, headers={"X-API-Key": site.key}
    )
    assert without_token.status_code == 404


@pytest.mark.parametrize(("age_seconds", "status"), [(59, 200), (61, 401)])
async def test_a_ticket_expires(site_in_process: Site, age_seconds: int, status: int) -> None:
    session = (await start_session(site_in_process, "v_1"))["sessionId"]
    ticket = (await get_ticket(site_in_process, session)).json()["ticket"]
    async with site_in_process.world.pool.acquire() as conn:
        (row,) = await conn.fetch(
            "SELECT ticket_hash, session_id::text, expires_at - clock_timestamp() AS left "
            "FROM crm.stream_tickets"
        )
        assert row["ticket_hash"] == hashlib.sha256(ticket.encode()).digest()
        assert row["session_id"] == session
        assert row["left"].total_seconds() == pytest.approx(60, abs=20)
    await change_expiry(site_in_process, age_seconds)
    answer = await open_stream(site_in_process, sessionId=session, ticket=ticket)
    assert answer[0] == status


async def change_expiry(site: Site, age_seconds: int) -> None:
    """Replace the ticket by one that was issued `age_seconds` ago; workers cannot change one."""
    async with site.world.pool.acquire() as conn:
        await conn.execute(
            "WITH old AS (DELETE FROM crm.stream_tickets RETURNING *) "
            "INSERT INTO crm.stream_tickets SELECT ticket_hash, property_id, session_id, "
            "expires_at - make_interval(secs => $1) FROM old",
            float(age_seconds),
        )


async def test_a_ticket_does_not_open_a_widget_that_was_switched_off(site_in_process: Site) -> None:
    session = (await start_session(site_in_process, "v_1"))["sessionId"]
    ticket = (await get_ticket(site_in_process, session)).json()["ticket"]
    await create_widget(site_in_process.world, is_active=False)
    answer = await open_stream(site_in_process, sessionId=session, ticket=ticket)
    assert answer == (403, "widget_inactive")
