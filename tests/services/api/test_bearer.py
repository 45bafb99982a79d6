"""Bearer tokens as Supabase issues them: by secret, by public keys, and invalid ones."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from services.api.auth import issuer_keys
from services.api.auth.bearer import BearerVerifier, InvalidBearerToken
from services.api.problems import Problem
from services.runtime.settings import Settings
from tests.conftest import JWT_SECRET, make_settings
from tests.services.api.issuer import Issuer, serve_issuer
from tests.services.api.site import WIDGET_ADMIN, WIDGET_CONFIG, Site, make_bearer_token

SUBJECT = UUID("0195b0c2-7a40-7c3e-8d9a-5e6f7a8b9c99")
ISSUER = "https://project.supabase.example/auth/v1"
SCORE = "/api/leadpulse/score"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serve_issuer() as issuer:
        issuer.add("ec-1", "ES256")
        issuer.add("rsa-1", "RS256")
        yield issuer


@dataclass
class Clock:
    """A monotonic clock that a test sets."""

    seconds: float = 0

    def read(self) -> float:
        return self.seconds


def make_verifier(issuer: Issuer | None = None, **more: Any) -> BearerVerifier:
    address = {"jwks_url": issuer.url} if issuer else {}
    return BearerVerifier(make_bearer_settings(**{**address, **more}))


def make_bearer_settings(**more: Any) -> Settings:
    return make_settings("postgresql://nobody@127.0.0.1:9/x", "127.0.0.1:9", Path(".crm"), **more)


async def is_accepted(verifier: BearerVerifier, token: str) -> bool:
    try:
        return (await verifier.identify(token)).user_id == SUBJECT
    except InvalidBearerToken:
        return False


def forge_token(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """Return a token with any header, signed with HMAC; libraries refuse to make it."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
             for part in (header, claims)]  # fmt: skip
    signature = hmac.new(secret, b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


def make_claims() -> dict[str, Any]:
    return {"sub": str(SUBJECT), "aud": "authenticated", "role": "authenticated",
            "exp": int((datetime.now(UTC) + timedelta(hours=1)).timestamp())}  # fmt: skip


async def test_tokens_by_secret_and_by_public_key_are_both_accepted(issuer: Issuer) -> None:
    verifier = make_verifier(issuer)
    assert await is_accepted(verifier, make_bearer_token(SUBJECT))
    assert await is_accepted(verifier, issuer.issue(SUBJECT, "ec-1", "ES256"))
    assert await is_accepted(verifier, issuer.issue(SUBJECT, "rsa-1", "RS256"))
    assert issuer.request_count == 1


async def test_no_token_by_public_key_is_accepted_without_a_jwks_address(issuer: Issuer) -> None:
    assert not await is_accepted(make_verifier(), issuer.issue(SUBJECT, "ec-1", "ES256"))
    assert issuer.request_count == 0


async def test_no_token_by_secret_is_accepted_without_a_secret(issuer: Issuer) -> None:
    verifier = make_verifier(issuer, jwt_secret=None)
    assert not await is_accepted(verifier, make_bearer_token(SUBJECT))
    assert await is_accepted(verifier, issuer.issue(SUBJECT, "ec-1", "ES256"))


@pytest.mark.parametrize(
    "claims",
    [
        {"role": "anon"}, {"role": "service_role"}, {"role": None}, {"role": ["authenticated"]},
        {"role": "Authenticated"}, {"aud": None}, {"aud": "other"}, {"exp": None}, {"sub": None},
        {"exp": datetime.now(UTC) - timedelta(minutes=1)}, {"sub": "nobody"}, {"sub": "\x00"},
        {"nbf": datetime.now(UTC) + timedelta(days=9)}, {"aud": "widget-session"},
    ],
)  # fmt: skip
async def test_a_token_without_the_claims_of_a_console_user_is_refused(
    issuer: Issuer, claims: dict[str, Any]
) -> None:
    verifier = make_verifier(issuer)
    all_claims = make_claims() | claims
    encoded_claims = {name: int(value.timestamp()) if isinstance(value, datetime) else value
                      for name, value in all_claims.items() if value is not None}  # fmt: skip
    by_secret = forge_token({"alg": "HS256", "typ": "JWT"}, encoded_claims, JWT_SECRET.encode())
    assert not await is_accepted(verifier, by_secret)
    if isinstance(claims.get("sub", ""), str):
        assert not await is_accepted(verifier, issuer.issue(SUBJECT, "ec-1", "ES256", **claims))


async def test_a_public_key_is_not_accepted_as_a_secret(issuer: Issuer) -> None:
    """A known attack: HMAC with a key that everybody can read."""
    verifier = make_verifier(issuer)
    for key_id in ("ec-1", "rsa-1"):
        for secret in (issuer.pem(key_id), issuer.pem(key_id).strip(), issuer.jwks()):
            for algorithm in ("HS256", "RS256", "ES256"):
                token = forge_token({"alg": algorithm, "kid": key_id}, make_claims(), secret)
                assert not await is_accepted(verifier, token), (key_id, algorithm)


async def test_the_secret_is_accepted_only_for_hs256() -> None:
    verifier = make_verifier()
    secret = JWT_SECRET.encode()
    for algorithm in ("none", "None", "", None, "HS384", "HS512", "RS256", "EdDSA", 1, ["HS256"]):
        token = forge_token({"alg": algorithm, "typ": "JWT"}, make_claims(), secret)
        assert not await is_accepted(verifier, token), algorithm
    without_signature = make_bearer_token(SUBJECT).rpartition(".")[0] + "."
    assert not await is_accepted(verifier, without_signature)


async def test_a_key_is_accepted_only_for_its_own_algorithm(issuer: Issuer) -> None:
    verifier = make_verifier(issuer)
    issuer.additional_keys.append(
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0", "alg": "HS256"}
    )
    shared = forge_token({"alg": "HS256", "kid": "shared"}, make_claims(),
                         b"secret-secret-secret-secret")  # fmt: skip
    assert not await is_accepted(verifier, shared)
    for header in ({"alg": "ES256", "kid": "shared"}, {"alg": "RS256", "kid": "ec-1"},
                   {"alg": "ES256", "kid": "rsa-1"}, {"alg": "ES256"}, {"alg": "ES256", "kid": 1},
                   {"alg": "ES256", "kid": ""}, {"alg": "ES256", "kid": "x" * 10_000}):  # fmt: skip
        assert not await is_accepted(verifier, forge_token(header, make_claims(), b"x" * 32)), (
            header
        )
    swapped = issuer.issue(SUBJECT, "ec-1", "ES256").split(".")
    other = issuer.issue(uuid4(), "ec-1", "ES256").split(".")
    assert not await is_accepted(verifier, ".".join([*swapped[:2], other[2]]))


async def test_a_key_that_the_token_itself_contains_is_not_used(issuer: Issuer) -> None:
    with serve_issuer() as other_issuer:
        other_issuer.add("ec-1", "ES256")
        token = other_issuer.issue(SUBJECT, "ec-1", "ES256")
        assert not await is_accepted(make_verifier(issuer), token)
        jwk = json.loads(other_issuer.jwks())["keys"][0]
        for more in ({"jwk": jwk}, {"jku": other_issuer.url}, {"x5u": other_issuer.url}):
            header = {"alg": "ES256", "kid": "ec-1", **more}
            assert not await is_accepted(
                make_verifier(issuer), forge_token(header, make_claims(), b"x" * 32)
            )
        assert other_issuer.request_count == 0


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b.c", "x" * 100, "é.é.é", "e30.e30.", "x" * 100_000,
              "eyJhbGciOiJIUzI1NiJ9.bnVsbA.x", "W10.W10.W10", "bnVsbA.bnVsbA.bnVsbA"]
)  # fmt: skip
async def test_a_malformed_token_is_refused(issuer: Issuer, token: str) -> None:
    assert not await is_accepted(make_verifier(issuer), token)


async def test_keys_are_fetched_again_for_a_new_key_id(issuer: Issuer) -> None:
    verifier = make_verifier(issuer, jwks_refetch_seconds=0)
    assert await is_accepted(verifier, issuer.issue(SUBJECT, "ec-1", "ES256"))
    issuer.add("ec-2", "ES256")
    assert await is_accepted(verifier, issuer.issue(SUBJECT, "ec-2", "ES256"))
    assert issuer.request_count == 2


async def test_unknown_key_ids_do_not_fetch_keys_before_the_refetch_interval(
    issuer: Issuer,
) -> None:
    verifier = make_verifier(issuer, jwks_refetch_seconds=3_600)
    assert await is_accepted(verifier, issuer.issue(SUBJECT, "ec-1", "ES256"))
    tokens = [forge_token({"alg": "ES256", "kid": f"k{n}"}, make_claims(), b"x" * 32)
              for n in range(30)]  # fmt: skip
    assert not any(await asyncio.gather(*(is_accepted(verifier, token) for token in tokens)))
    assert issuer.request_count == 1


async def test_parallel_tokens_fetch_the_keys_once(issuer: Issuer) -> None:
    verifier = make_verifier(issuer)
    token = issuer.issue(SUBJECT, "rsa-1", "RS256")
    assert all(await asyncio.gather(*(is_accepted(verifier, token) for _ in range(20))))
    assert issuer.request_count == 1


async def test_a_removed_key_is_refused_after_the_lifespan_of_keys(issuer: Issuer) -> None:
    verifier = make_verifier(issuer, jwks_lifespan_seconds=1e-9)
    token = issuer.issue(SUBJECT, "ec-1", "ES256")
    assert await is_accepted(verifier, token)
    del issuer.keys["ec-1"]
    assert not await is_accepted(verifier, token)


async def test_an_unavailable_issuer_is_503_and_not_an_invalid_token(issuer: Issuer) -> None:
    issuer.status = 500
    verifier = make_verifier(issuer)
    token = issuer.issue(SUBJECT, "ec-1", "ES256")
    for _ in range(20):
        with pytest.raises(Problem) as raised:
            await verifier.identify(token)
        assert (raised.value.status, raised.value.code) == (503, "unavailable")
    assert issuer.request_count == 1, "a failed request is not repeated for each token"
    assert await is_accepted(verifier, make_bearer_token(SUBJECT))


@pytest.mark.parametrize("answer", ["an error", "no keys"])
async def test_the_last_keys_are_used_for_a_limited_time_while_the_issuer_does_not_answer(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    clock = Clock()
    monkeypatch.setattr(issuer_keys, "monotonic", clock.read)
    verifier = make_verifier(issuer, jwks_lifespan_seconds=600, jwks_outage_seconds=100)
    token = issuer.issue(SUBJECT, "ec-1", "ES256")
    assert await is_accepted(verifier, token)
    if answer == "an error":
        issuer.status = 500
    else:
        issuer.keys.clear()
    with capture_logs() as lines:
        for clock.seconds in (599, 600, 699):
            assert await is_accepted(verifier, token), clock.seconds
        clock.seconds = 700
        with pytest.raises(Problem, match="try again") as raised:
            await verifier.identify(token)
    assert raised.value.status == 503
    events = [line["event"] for line in lines if line["log_level"] == "warning"]
    assert events.count("auth.kept_keys_used") == 2, "once a minute"
    assert "auth.issuer_unavailable" in events


async def test_a_key_that_was_never_fetched_is_503_during_an_outage(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(issuer_keys, "monotonic", clock.read)
    verifier = make_verifier(issuer)
    issuer.add("ec-2", "ES256")
    tokens = {key: issuer.issue(SUBJECT, key, "ES256") for key in ("ec-1", "ec-2")}
    del issuer.keys["ec-2"]
    assert await is_accepted(verifier, tokens["ec-1"])
    issuer.status, clock.seconds = 500, 601
    assert await is_accepted(verifier, tokens["ec-1"])
    with pytest.raises(Problem):
        await verifier.identify(tokens["ec-2"])
    issuer.status, clock.seconds = 200, 607
    assert not await is_accepted(verifier, tokens["ec-2"])


async def test_audience_and_issuer_must_match_the_settings(issuer: Issuer) -> None:
    verifier = make_verifier(issuer, jwt_audience="crm", jwt_issuer=ISSUER)
    matching = {"aud": "crm", "iss": ISSUER}
    assert await is_accepted(verifier, issuer.issue(SUBJECT, "ec-1", "ES256", **matching))
    for claims in ({"aud": "authenticated"}, {"iss": "https://else.example"}, {"iss": None}):
        token = issuer.issue(SUBJECT, "ec-1", "ES256", **{**matching, **claims})
        assert not await is_accepted(verifier, token), claims


async def test_every_unauthenticated_request_has_the_same_response(site: Site) -> None:
    url = f"{SCORE}?leadId={uuid4()}"
    responses = []
    for token in (
        "nonsense", make_bearer_token(uuid4()), make_bearer_token(site.manager, secret="x" * 40),
        make_bearer_token(site.manager, claims={"role": "service_role"}),
        make_bearer_token(site.manager, claims={"exp": datetime.now(UTC) - timedelta(days=1)}),
    ):  # fmt: skip
        headers = {"Authorization": f"Bearer {token}"}
        responses.append(await site.client.get(url, headers=headers))
    responses.append(await site.client.get(url))
    assert {(response.status_code, response.text) for response in responses} == {
        (401, responses[0].text)
    }
    assert {response.headers["WWW-Authenticate"] for response in responses} == {"Bearer"}


async def test_no_credential_is_returned_or_logged(
    site: Site, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    bearer = make_bearer_token(site.manager, claims={"role": "anon"})
    key, session_token = "lk_this_is_no_key", "session.token.quokka"
    for headers, config_status in (
        ({"Authorization": f"Bearer {bearer}"}, 404), ({"X-API-Key": key}, 404),
        ({"Authorization": f"Bearer {key}"}, 404),
        ({"X-API-Key": key, "X-Session-Token": session_token}, 404),
        (site.widget_headers(**{"X-Session-Token": session_token, "Origin": "null"}), 403),
    ):  # fmt: skip
        for path, status in (
            (f"{SCORE}?leadId={uuid4()}", 401), (WIDGET_CONFIG, config_status),
            (f"{WIDGET_ADMIN}/config?propertyId={site.property_id}", 401),
        ):  # fmt: skip
            response = await site.client.get(path, headers=headers)
            assert response.status_code == status, path
            returned = response.text + str(response.headers)
            for secret in (bearer, key, session_token, site.key, JWT_SECRET):
                assert secret not in returned
    output = capsys.readouterr()
    logged = output.out + output.err + caplog.text
    for secret in (bearer, key, session_token, site.key, JWT_SECRET):
        assert secret not in logged


def test_the_text_of_settings_contains_no_secret() -> None:
    settings = make_bearer_settings()
    assert JWT_SECRET not in repr(settings)
