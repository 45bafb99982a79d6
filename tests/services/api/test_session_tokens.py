"""Session tokens: the way back to a session for who sends no visitor id."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import jwt
from pydantic import SecretStr

from services.api.app import create_app
from services.api.auth.session_tokens import Proof, proof_of, token_of
from services.api.auth.visitors import Visitor
from services.api.context import signing_key_of
from services.retention import retention
from services.runtime.settings import Settings
from tests.conftest import JWT_SECRET
from tests.services.api.conftest import ORIGIN, Parrot, Site
from tests.services.api.conftest import token_of as bearer_of

CHAT = "/api/lumaleasing/chat"
LEAD = "/api/lumaleasing/lead"
KEY = b"k" * 32
PROOF = Proof(UUID(int=1), UUID(int=2), "v_1")


async def say(
    site: Site, visitor: str | None = None, token: str | None = None, *, path: str = CHAT,
    **body: Any,
) -> httpx2.Response:  # fmt: skip
    headers = {"X-API-Key": site.key}
    if visitor is not None:
        headers["X-Visitor-ID"] = visitor
    if token is not None:
        headers["X-Session-Token"] = token
    sent = {"message": "hi", **body} if path == CHAT else {"email": f"{uuid4()}@b.co", **body}
    return await site.client.post(path, json=sent, headers=headers)


async def read(site: Site, session: str, headers: Mapping[str, str]) -> int:
    await site.project()
    answer = await site.client.get(
        CHAT, params={"sessionId": session}, headers={"X-API-Key": site.key, **headers}
    )
    return answer.status_code


async def test_a_visitor_without_an_id_goes_on_with_its_token_only(site: Site) -> None:
    first = (await say(site)).json()
    ids = {"sessionId": first["sessionId"]}
    for named in (ids, {"conversationId": first["conversationId"]},
                  {**ids, "conversationId": str(uuid4())}):  # fmt: skip
        assert (await say(site, **named)).status_code == 404, named
        assert (await say(site, "v_guess", **named)).status_code == 404, named
        assert (await say(site, token="nonsense", **named)).status_code == 404, named
    good = await say(site, token=first["sessionToken"], **ids)
    assert good.status_code == 200, good.text
    assert good.json()["sessionToken"] == first["sessionToken"]
    assert good.json()["conversationId"] == first["conversationId"]


async def test_a_visitor_without_an_id_reads_with_its_token_only(site: Site) -> None:
    first = (await say(site)).json()
    session = first["sessionId"]
    assert await read(site, session, {}) == 404
    assert await read(site, session, {"X-Visitor-ID": "v_guess"}) == 404
    assert await read(site, session, {"X-Session-Token": "nonsense"}) == 404
    assert await read(site, session, {"X-Session-Token": first["sessionToken"]}) == 200


async def test_a_contact_is_left_in_ones_own_session_only(site: Site) -> None:
    first = (await say(site)).json()
    named = {"sessionId": first["sessionId"]}
    assert (await say(site, path=LEAD, **named)).status_code == 404
    assert (await say(site, "v_guess", path=LEAD, **named)).status_code == 404
    good = await say(site, token=first["sessionToken"], path=LEAD, **named)
    assert good.status_code == 200, good.text


async def test_a_client_that_sends_its_id_only_needs_no_token(site: Site) -> None:
    first = (await say(site, "v_1")).json()
    session = first["sessionId"]
    assert (await say(site, "v_1", sessionId=session)).status_code == 200
    assert (await say(site, "v_1", path=LEAD, sessionId=session)).status_code == 200
    assert await read(site, session, {"X-Visitor-ID": "v_1"}) == 200
    assert (await say(site, "v_1", "stale token", sessionId=session)).status_code == 200


async def test_a_token_says_who_its_visitor_is(site: Site) -> None:
    """A client that has lost the id it made, but not the token, is still itself."""
    first = (await say(site, "v_1")).json()
    session, token = first["sessionId"], first["sessionToken"]
    assert (await say(site, sessionId=session)).status_code == 404
    assert (await say(site, token=token, sessionId=session)).status_code == 200
    assert await read(site, session, {"X-Session-Token": token}) == 200
    assert (await say(site, "v_2", token, sessionId=session)).status_code == 404


async def test_a_token_opens_its_own_session_only(site: Site) -> None:
    mine, other = (await say(site)).json(), (await say(site)).json()
    named = {"sessionId": other["sessionId"]}
    assert (await say(site, token=mine["sessionToken"], **named)).status_code == 404
    assert await read(site, other["sessionId"], {"X-Session-Token": mine["sessionToken"]}) == 404


async def test_a_token_made_elsewhere_opens_nothing(site: Site) -> None:
    first = (await say(site)).json()
    session = UUID(first["sessionId"])
    claims = {"aud": "widget-session", "property": str(site.property_id),
              "session": str(session), "visitor": None}  # fmt: skip
    for token in (
        token_of(KEY, Proof(site.property_id, session, None)),
        jwt.encode(claims, JWT_SECRET, "HS256"),
        bearer_of(site.admin),
        bearer_of(site.admin, claims=claims),
    ):
        assert (await say(site, token=token, sessionId=str(session))).status_code == 404


async def test_a_first_message_that_is_sent_again_is_its_own_proof(site: Site) -> None:
    """A client without an id that got no answer has no token yet."""
    message = str(uuid4())
    for more in ({}, {"sessionId": str(uuid4())}, {"conversationId": str(uuid4())}):
        first = await say(site, messageId=message, **more)
        again = await say(site, messageId=message, **more)
        assert first.status_code == again.status_code == 200, again.text
        assert again.json() == first.json()
        message = str(uuid4())


async def test_a_repeat_by_its_key_has_the_same_token(site: Site) -> None:
    headers = {"X-API-Key": site.key, "Idempotency-Key": "one"}
    answers = [await site.client.post(CHAT, json={"message": "hi"}, headers=headers)
               for _ in range(2)]  # fmt: skip
    assert answers[0].text == answers[1].text
    assert answers[0].json()["sessionToken"]


async def test_the_same_key_of_other_strangers_is_their_own(site: Site, settings: Settings) -> None:
    """Who has no id is told apart by the network, and by the session that a token proves."""
    headers = {"X-API-Key": site.key, "Idempotency-Key": "one"}
    answers, app = [], create_app(settings, Parrot())
    async with app.router.lifespan_context(app):
        for address in ("203.0.113.7", "198.51.100.7"):
            transport = httpx2.ASGITransport(app=app, client=(address, 1))
            async with httpx2.AsyncClient(transport=transport, base_url="http://crm") as client:
                answers.append(await client.post(CHAT, json={"message": "hi"}, headers=headers))
    assert len({answer.json()["sessionId"] for answer in answers}) == 2
    home = (uuid4(), uuid4())
    callers = [
        Visitor(*home, None, None, "a"), Visitor(*home, None, None, "b"),
        Visitor(*home, None, UUID(int=1), "a"), Visitor(*home, "from/a", None, "a"),
    ]  # fmt: skip
    assert len({caller.principal for caller in callers}) == len(callers)


async def test_a_page_may_send_the_token(site: Site) -> None:
    answer = await site.client.options(
        CHAT, headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    )
    assert "X-Session-Token" in answer.headers["Access-Control-Allow-Headers"]


def test_a_token_proves_what_was_signed() -> None:
    for proof in (PROOF, Proof(UUID(int=1), UUID(int=2), None)):
        assert proof_of(KEY, token_of(KEY, proof)) == proof


def test_what_was_not_signed_so_proves_nothing() -> None:
    token = token_of(KEY, PROOF)
    head, body, mac = token.split(".")
    for wrong in (None, "", "x", f"{head}.{body}.", f"{head}.{mac}.{body}", token + "x",
                  "x" * 100_000, "\ud800.\ud800.\ud800"):  # fmt: skip
        assert proof_of(KEY, wrong) is None, wrong
    assert proof_of(b"l" * 32, token) is None
    unsigned = jwt.encode(jwt.decode(token, options={"verify_signature": False}), "", "none")
    assert proof_of(KEY, unsigned) is None


async def test_the_signing_secret_is_a_setting(site: Site, settings: Settings) -> None:
    """Tokens hold for processes with the same secret, and for no others."""
    first = (await say(site)).json()
    for secret, status in ((None, 200), ("another secret of 32 characters!", 404)):
        changed = {"signing_secret": SecretStr(secret)} if secret else {}
        app = create_app(settings.model_copy(update=changed), Parrot())
        async with app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(app=app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://crm") as client:
                answer = await client.post(
                    CHAT, json={"message": "hi", "sessionId": first["sessionId"]},
                    headers={"X-API-Key": site.key, "X-Session-Token": first["sessionToken"]},
                )  # fmt: skip
                assert answer.status_code == status


def test_without_any_secret_each_process_has_a_key_of_its_own(settings: Settings) -> None:
    bare = settings.model_copy(update={"jwt_secret": None})
    assert signing_key_of(bare) != signing_key_of(bare)
    assert signing_key_of(settings) == signing_key_of(settings)
    own = settings.model_copy(update={"signing_secret": SecretStr("s" * 32)})
    assert signing_key_of(own) == signing_key_of(own) != signing_key_of(settings)
    assert JWT_SECRET.encode() not in signing_key_of(settings)


async def test_a_visitor_who_comes_back_after_retention_reads_what_is_said(site: Site) -> None:
    """The session's row went with retention; the log knows the session and its visitor."""
    long_ago = datetime.now(UTC) - timedelta(days=91)
    started, *talk = site.world.chat(None)
    await site.world.append(*(site.world.new(event, at=long_ago) for event in (started, *talk)))
    await site.project()
    assert (await retention.run(site.world.pool, datetime.now(UTC)))["sessions"] == 1
    await site.project()
    session = str(started.stream_id)
    for _ in range(2):
        assert (await say(site, "v_1", sessionId=session)).status_code == 200
    assert (await say(site, "v_2", sessionId=session)).status_code == 404
    assert await read(site, session, {"X-API-Key": site.key, "X-Visitor-ID": "v_1"}) == 200
    assert await read(site, session, {"X-API-Key": site.key, "X-Visitor-ID": "v_2"}) == 404
    assert (await site.log()).count("session.started") == 3
