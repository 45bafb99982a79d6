"""Session tokens: access to a session for a visitor who sends no visitor id."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2

from events.log.secret_keys import SecretKey, load_secret_keys
from events.visitor_ids import hash_visitor_id
from services.api.auth.session_tokens import SessionClaims, read_session_token, sign_session_token
from services.api.auth.visitors import Visitor
from services.retention import retention
from services.runtime.settings import Settings
from tests.services.api.site import (
    CHAT,
    ORIGIN,
    WIDGET_LEAD,
    EchoResponder,
    Site,
    make_bearer_token,
    open_api,
)

KEYS = [SecretKey(uuid4(), b"k" * 32)]
NOW, HOUR = datetime(2026, 3, 1, tzinfo=UTC), timedelta(hours=1)
CLAIMS = SessionClaims(UUID(int=1), UUID(int=2), "v_1")


async def send(
    site: Site, visitor: str | None = None, token: str | None = None, *, path: str = CHAT,
    **body: Any,
) -> httpx2.Response:  # fmt: skip
    headers = {"X-API-Key": site.key}
    if visitor is not None:
        headers["X-Visitor-ID"] = visitor
    if token is not None:
        headers["X-Session-Token"] = token
    complete_body = (
        {"message": "hi", **body} if path == CHAT else {"email": f"{uuid4()}@b.co", **body}
    )
    return await site.client.post(path, json=complete_body, headers=headers)


async def read_status(site: Site, session: str, headers: Mapping[str, str]) -> int:
    await site.project()
    response = await site.client.get(
        CHAT, params={"sessionId": session}, headers={"X-API-Key": site.key, **headers}
    )
    return response.status_code


async def test_a_visitor_without_an_id_continues_only_with_its_token(site: Site) -> None:
    first = (await send(site)).json()
    ids = {"sessionId": first["sessionId"]}
    for request_ids in (ids, {"conversationId": first["conversationId"]},
                        {**ids, "conversationId": str(uuid4())}):  # fmt: skip
        assert (await send(site, **request_ids)).status_code == 404, request_ids
        assert (await send(site, "v_guess", **request_ids)).status_code == 404, request_ids
        assert (await send(site, token="nonsense", **request_ids)).status_code == 404, request_ids
    accepted = await send(site, token=first["sessionToken"], **ids)
    assert accepted.status_code == 200, accepted.text
    assert accepted.json()["conversationId"] == first["conversationId"]


async def test_a_visitor_without_an_id_reads_only_with_its_token(site: Site) -> None:
    first = (await send(site)).json()
    session = first["sessionId"]
    assert await read_status(site, session, {}) == 404
    assert await read_status(site, session, {"X-Visitor-ID": "v_guess"}) == 404
    assert await read_status(site, session, {"X-Session-Token": "nonsense"}) == 404
    assert await read_status(site, session, {"X-Session-Token": first["sessionToken"]}) == 200


async def test_contact_details_are_accepted_only_in_the_visitor_s_own_session(site: Site) -> None:
    first = (await send(site)).json()
    ids = {"sessionId": first["sessionId"]}
    assert (await send(site, path=WIDGET_LEAD, **ids)).status_code == 404
    assert (await send(site, "v_guess", path=WIDGET_LEAD, **ids)).status_code == 404
    accepted = await send(site, token=first["sessionToken"], path=WIDGET_LEAD, **ids)
    assert accepted.status_code == 200, accepted.text


async def test_a_client_with_a_visitor_id_needs_no_token(site: Site) -> None:
    first = (await send(site, "v_1")).json()
    session = first["sessionId"]
    assert (await send(site, "v_1", sessionId=session)).status_code == 200
    assert (await send(site, "v_1", path=WIDGET_LEAD, sessionId=session)).status_code == 200
    assert await read_status(site, session, {"X-Visitor-ID": "v_1"}) == 200
    assert (await send(site, "v_1", "stale token", sessionId=session)).status_code == 200


async def test_a_token_identifies_its_visitor(site: Site) -> None:
    """A client that lost its visitor id can continue with the token."""
    first = (await send(site, "v_1")).json()
    session, token = first["sessionId"], first["sessionToken"]
    assert (await send(site, sessionId=session)).status_code == 404
    assert (await send(site, token=token, sessionId=session)).status_code == 200
    assert await read_status(site, session, {"X-Session-Token": token}) == 200
    assert (await send(site, "v_2", token, sessionId=session)).status_code == 404


async def test_a_token_is_valid_only_for_its_own_session(site: Site) -> None:
    first, other = (await send(site)).json(), (await send(site)).json()
    ids = {"sessionId": other["sessionId"]}
    assert (await send(site, token=first["sessionToken"], **ids)).status_code == 404
    assert (
        await read_status(site, other["sessionId"], {"X-Session-Token": first["sessionToken"]})
        == 404
    )


async def test_a_token_with_another_signature_or_purpose_is_not_accepted(site: Site) -> None:
    first = (await send(site)).json()
    session = UUID(first["sessionId"])
    async with site.world.pool.acquire() as conn:
        other_purpose = await load_secret_keys(conn, "visitor_id")
    claims = SessionClaims(site.property_id, session, None)
    for token in (
        sign_session_token(KEYS, claims, datetime.now(UTC)),
        sign_session_token(other_purpose, claims, datetime.now(UTC)),
        make_bearer_token(site.admin),
    ):
        assert (await send(site, token=token, sessionId=str(session))).status_code == 404


async def test_a_repeated_first_message_needs_no_token(site: Site) -> None:
    """A client without a visitor id that received no response gets it again, without a token."""
    message = str(uuid4())
    for more in ({}, {"sessionId": str(uuid4())}, {"conversationId": str(uuid4())}):
        first = await send(site, messageId=message, **more)
        again = await send(site, messageId=message, **more)
        assert first.status_code == again.status_code == 200, again.text
        assert again.json() == {**first.json(), "sessionToken": None}
        message = str(uuid4())


async def test_visitors_without_an_id_do_not_share_idempotency_keys(
    site: Site, settings: Settings
) -> None:
    """A visitor without an id is identified by the network, or by the session of a token."""
    headers = {"X-API-Key": site.key, "Idempotency-Key": "one"}
    responses = []
    for address in ("203.0.113.7", "198.51.100.7"):
        async with open_api(settings, EchoResponder(), address=address) as client:
            responses.append(await client.post(CHAT, json={"message": "hi"}, headers=headers))
    assert len({response.json()["sessionId"] for response in responses}) == 2
    property_ids = (uuid4(), uuid4())
    callers = [
        Visitor(*property_ids, None, None, "a"), Visitor(*property_ids, None, None, "b"),
        Visitor(*property_ids, None, UUID(int=1), "a"), Visitor(*property_ids, "from/a", None, "a"),
    ]  # fmt: skip
    assert len({caller.principal for caller in callers}) == len(callers)


async def test_a_page_of_another_origin_can_send_the_token(site: Site) -> None:
    response = await site.client.options(
        CHAT, headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    )
    assert "X-Session-Token" in response.headers["Access-Control-Allow-Headers"]


def test_a_signed_token_is_read_to_its_claims() -> None:
    for claims in (CLAIMS, SessionClaims(UUID(int=1), UUID(int=2), None)):
        token = sign_session_token(KEYS, claims, NOW)
        assert read_session_token(KEYS, token, NOW, HOUR) == claims


def test_a_changed_token_is_not_read() -> None:
    token = sign_session_token(KEYS, CLAIMS, NOW)
    for text in (
        "x",
        token[:-4],
        token[::-1],
        "A" + token[1:],
        token + "x",
        "x" * 100_000,
        "\ud800",
    ):
        assert read_session_token(KEYS, text, NOW, HOUR) is None, text
    assert read_session_token([SecretKey(uuid4(), b"l" * 32)], token, NOW, HOUR) is None


def test_a_token_is_valid_until_its_lifetime_ends() -> None:
    token = sign_session_token(KEYS, CLAIMS, NOW)
    assert read_session_token(KEYS, token, NOW + HOUR, HOUR) == CLAIMS
    assert read_session_token(KEYS, token, NOW + HOUR + timedelta(seconds=1), HOUR) is None


def test_a_token_does_not_show_its_content() -> None:
    token = sign_session_token(KEYS, CLAIMS, NOW)
    decoded = base64.urlsafe_b64decode(token)
    assert str(CLAIMS.session_id).encode() not in decoded
    assert CLAIMS.session_id.bytes not in decoded


async def test_a_visitor_can_continue_a_session_after_retention(site: Site) -> None:
    """Retention deleted the session's row; the log still has the session and its visitor."""
    long_ago = datetime.now(UTC) - timedelta(days=91)
    async with site.world.pool.acquire() as conn:
        key = (await load_secret_keys(conn, "visitor_id"))[0].key
    visitor = hash_visitor_id(key, site.property_id, "v_1")
    started, *messages = site.world.chat(None, visitor=visitor)
    await site.world.append(*(site.world.new(event, at=long_ago) for event in (started, *messages)))
    await site.project()
    assert (await retention.apply_rules(site.world.pool, datetime.now(UTC)))["sessions"] == 1
    await site.project()
    session = str(started.stream_id)
    for _ in range(2):
        assert (await send(site, "v_1", sessionId=session)).status_code == 200
    assert (await send(site, "v_2", sessionId=session)).status_code == 404
    assert await read_status(site, session, {"X-API-Key": site.key, "X-Visitor-ID": "v_1"}) == 200
    assert await read_status(site, session, {"X-API-Key": site.key, "X-Visitor-ID": "v_2"}) == 404
    assert (await site.read_event_types()).count("session.started") == 3
