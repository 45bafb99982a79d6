"""Bearer tokens as Supabase issues them: by secret, by public keys, and every way to be wrong."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr

from services.api.auth.bearer import Bearers, Unproven
from services.api.problems import Problem
from services.runtime.settings import Settings
from tests.conftest import JWT_SECRET, make_settings
from tests.services.api.conftest import Site, token_of
from tests.services.api.issuer import Issuer, serving

SUBJECT = UUID("0195b0c2-7a40-7c3e-8d9a-5e6f7a8b9c99")
ISSUER = "https://project.supabase.example/auth/v1"
SCORE = "/api/leadpulse/score"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serving() as found:
        found.add("ec-1", "ES256")
        found.add("rsa-1", "RS256")
        yield found


def bearers(issuer: Issuer | None = None, **more: Any) -> Bearers:
    url = {"jwks_url": issuer.url} if issuer else {}
    return Bearers(settings_with(**{**url, **more}))


def settings_with(**more: Any) -> Settings:
    return make_settings("postgresql://nobody@127.0.0.1:9/x", "127.0.0.1:9", Path(".crm"), **more)


async def is_proven(checks: Bearers, token: str) -> bool:
    try:
        return await checks.subject(token) == SUBJECT
    except Unproven:
        return False


def forged(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """A token with any header, signed with HMAC, as no library would make it."""
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=")
             for one in (header, claims)]  # fmt: skip
    signed = hmac.new(secret, b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, base64.urlsafe_b64encode(signed).rstrip(b"=")]).decode()


def good_claims() -> dict[str, Any]:
    return {"sub": str(SUBJECT), "aud": "authenticated", "role": "authenticated",
            "exp": int((datetime.now(UTC) + timedelta(hours=1)).timestamp())}  # fmt: skip


async def test_tokens_by_secret_and_by_public_keys_are_taken_side_by_side(issuer: Issuer) -> None:
    checks = bearers(issuer)
    assert await is_proven(checks, token_of(SUBJECT))
    assert await is_proven(checks, issuer.issue(SUBJECT, "ec-1", "ES256"))
    assert await is_proven(checks, issuer.issue(SUBJECT, "rsa-1", "RS256"))
    assert issuer.asked == 1


async def test_without_an_address_for_keys_no_public_key_counts(issuer: Issuer) -> None:
    assert not await is_proven(bearers(), issuer.issue(SUBJECT, "ec-1", "ES256"))
    assert issuer.asked == 0


async def test_without_a_secret_no_secret_counts(issuer: Issuer) -> None:
    checks = bearers(issuer, jwt_secret=None)
    assert not await is_proven(checks, token_of(SUBJECT))
    assert await is_proven(checks, issuer.issue(SUBJECT, "ec-1", "ES256"))


@pytest.mark.parametrize(
    "claims",
    [
        {"role": "anon"}, {"role": "service_role"}, {"role": None}, {"role": ["authenticated"]},
        {"role": "Authenticated"}, {"aud": None}, {"aud": "other"}, {"exp": None}, {"sub": None},
        {"exp": datetime.now(UTC) - timedelta(minutes=1)}, {"sub": "nobody"}, {"sub": "\x00"},
        {"nbf": datetime.now(UTC) + timedelta(days=9)}, {"aud": "widget-session"},
    ],
)  # fmt: skip
async def test_claims_that_are_not_a_persons_prove_nobody(
    issuer: Issuer, claims: dict[str, Any]
) -> None:
    checks = bearers(issuer)
    said = good_claims() | claims
    kept = {name: int(value.timestamp()) if isinstance(value, datetime) else value
            for name, value in said.items() if value is not None}  # fmt: skip
    by_secret = forged({"alg": "HS256", "typ": "JWT"}, kept, JWT_SECRET.encode())
    assert not await is_proven(checks, by_secret)
    if isinstance(claims.get("sub", ""), str):
        assert not await is_proven(checks, issuer.issue(SUBJECT, "ec-1", "ES256", **claims))


async def test_a_public_key_is_no_secret(issuer: Issuer) -> None:
    """The classic confusion: HMAC with what everybody may read."""
    checks = bearers(issuer)
    for key_id in ("ec-1", "rsa-1"):
        for secret in (issuer.pem(key_id), issuer.pem(key_id).strip(), issuer.jwks()):
            for algorithm in ("HS256", "RS256", "ES256"):
                token = forged({"alg": algorithm, "kid": key_id}, good_claims(), secret)
                assert not await is_proven(checks, token), (key_id, algorithm)


async def test_the_secret_signs_nothing_but_its_own_algorithm() -> None:
    checks = bearers()
    secret = JWT_SECRET.encode()
    for algorithm in ("none", "None", "", None, "HS384", "HS512", "RS256", "EdDSA", 1, ["HS256"]):
        token = forged({"alg": algorithm, "typ": "JWT"}, good_claims(), secret)
        assert not await is_proven(checks, token), algorithm
    bare = token_of(SUBJECT).rpartition(".")[0] + "."
    assert not await is_proven(checks, bare)


async def test_a_key_serves_its_own_algorithm_only(issuer: Issuer) -> None:
    checks = bearers(issuer)
    issuer.more.append({"kty": "oct", "kid": "shared", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0",
                        "alg": "HS256"})  # fmt: skip
    shared = forged({"alg": "HS256", "kid": "shared"}, good_claims(),
                    b"secret-secret-secret-secret")  # fmt: skip
    assert not await is_proven(checks, shared)
    for wrong in ({"alg": "ES256", "kid": "shared"}, {"alg": "RS256", "kid": "ec-1"},
                  {"alg": "ES256", "kid": "rsa-1"}, {"alg": "ES256"}, {"alg": "ES256", "kid": 1},
                  {"alg": "ES256", "kid": ""}, {"alg": "ES256", "kid": "x" * 10_000}):  # fmt: skip
        assert not await is_proven(checks, forged(wrong, good_claims(), b"x" * 32)), wrong
    swapped = issuer.issue(SUBJECT, "ec-1", "ES256").split(".")
    other = issuer.issue(uuid4(), "ec-1", "ES256").split(".")
    assert not await is_proven(checks, ".".join([*swapped[:2], other[2]]))


async def test_a_token_that_names_its_own_key_is_not_believed(issuer: Issuer) -> None:
    with serving() as stranger:
        stranger.add("ec-1", "ES256")
        token = stranger.issue(SUBJECT, "ec-1", "ES256")
        assert not await is_proven(bearers(issuer), token)
        jwk = json.loads(stranger.jwks())["keys"][0]
        for more in ({"jwk": jwk}, {"jku": stranger.url}, {"x5u": stranger.url}):
            header = {"alg": "ES256", "kid": "ec-1", **more}
            assert not await is_proven(bearers(issuer), forged(header, good_claims(), b"x" * 32))
        assert stranger.asked == 0


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b.c", "x" * 100, "é.é.é", "e30.e30.", "x" * 100_000,
              "eyJhbGciOiJIUzI1NiJ9.bnVsbA.x", "W10.W10.W10", "bnVsbA.bnVsbA.bnVsbA"]
)  # fmt: skip
async def test_what_is_no_token_proves_nobody(issuer: Issuer, token: str) -> None:
    assert not await is_proven(bearers(issuer), token)


async def test_a_new_key_is_fetched_when_a_token_names_it(issuer: Issuer) -> None:
    checks = bearers(issuer, jwks_refetch_seconds=0)
    assert await is_proven(checks, issuer.issue(SUBJECT, "ec-1", "ES256"))
    issuer.add("ec-2", "ES256")
    assert await is_proven(checks, issuer.issue(SUBJECT, "ec-2", "ES256"))
    assert issuer.asked == 2


async def test_unknown_keys_make_keys_be_fetched_only_now_and_then(issuer: Issuer) -> None:
    checks = bearers(issuer, jwks_refetch_seconds=3_600)
    assert await is_proven(checks, issuer.issue(SUBJECT, "ec-1", "ES256"))
    made_up = [forged({"alg": "ES256", "kid": f"k{n}"}, good_claims(), b"x" * 32)
               for n in range(30)]  # fmt: skip
    assert not any(await asyncio.gather(*(is_proven(checks, token) for token in made_up)))
    assert issuer.asked == 1


async def test_many_at_once_fetch_keys_once(issuer: Issuer) -> None:
    checks = bearers(issuer)
    token = issuer.issue(SUBJECT, "rsa-1", "RS256")
    assert all(await asyncio.gather(*(is_proven(checks, token) for _ in range(20))))
    assert issuer.asked == 1


async def test_keys_are_forgotten_when_their_time_is_over(issuer: Issuer) -> None:
    checks = bearers(issuer, jwks_lifespan_seconds=1e-9)
    token = issuer.issue(SUBJECT, "ec-1", "ES256")
    assert await is_proven(checks, token)
    del issuer.keys["ec-1"]
    assert not await is_proven(checks, token)


async def test_an_issuer_that_does_not_answer_is_no_fault_of_the_token(issuer: Issuer) -> None:
    issuer.status = 500
    checks = bearers(issuer)
    token = issuer.issue(SUBJECT, "ec-1", "ES256")
    for _ in range(20):
        with pytest.raises(Problem) as raised:
            await checks.subject(token)
        assert (raised.value.status, raised.value.code) == (503, "unavailable")
    assert issuer.asked == 1, "and it is not asked for each token"
    assert await is_proven(checks, token_of(SUBJECT))


async def test_audience_and_issuer_are_those_of_the_settings(issuer: Issuer) -> None:
    checks = bearers(issuer, jwt_audience="crm", jwt_issuer=ISSUER)
    good = {"aud": "crm", "iss": ISSUER}
    assert await is_proven(checks, issuer.issue(SUBJECT, "ec-1", "ES256", **good))
    for wrong in ({"aud": "authenticated"}, {"iss": "https://else.example"}, {"iss": None}):
        token = issuer.issue(SUBJECT, "ec-1", "ES256", **{**good, **wrong})
        assert not await is_proven(checks, token), wrong


async def test_every_way_to_be_nobody_is_answered_alike(site: Site) -> None:
    asked = f"{SCORE}?leadId={uuid4()}"
    answers = []
    for token in (
        "nonsense", token_of(uuid4()), token_of(site.manager, secret="x" * 40),
        token_of(site.manager, claims={"role": "service_role"}),
        token_of(site.manager, claims={"exp": datetime.now(UTC) - timedelta(days=1)}),
    ):  # fmt: skip
        headers = {"Authorization": f"Bearer {token}"}
        answers.append(await site.client.get(asked, headers=headers))
    answers.append(await site.client.get(asked))
    assert {(one.status_code, one.text) for one in answers} == {(401, answers[0].text)}
    assert {one.headers["WWW-Authenticate"] for one in answers} == {"Bearer"}


async def test_nothing_that_was_shown_as_a_secret_comes_back_or_is_logged(
    site: Site, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    bearer = token_of(site.manager, claims={"role": "anon"})
    key, proof = "lk_this_is_no_key", "session.token.quokka"
    for headers in (
        {"Authorization": f"Bearer {bearer}"}, {"X-API-Key": key},
        {"Authorization": f"Bearer {key}"}, {"X-API-Key": key, "X-Session-Token": proof},
        site.widget(**{"X-Session-Token": proof, "Origin": "null"}),
    ):  # fmt: skip
        for path in (f"{SCORE}?leadId={uuid4()}", "/api/lumaleasing/config",
                     f"/api/lumaleasing/admin/config?propertyId={site.property_id}"):  # fmt: skip
            answer = await site.client.get(path, headers=headers)
            assert answer.status_code in (401, 403, 404)
            said = answer.text + str(answer.headers)
            for secret in (bearer, key, proof, site.key, JWT_SECRET):
                assert secret not in said
    shown = capsys.readouterr()
    logged = shown.out + shown.err + caplog.text
    for secret in (bearer, key, proof, site.key, JWT_SECRET):
        assert secret not in logged


def test_no_error_shows_a_secret() -> None:
    made = settings_with(signing_secret=SecretStr("a signing secret of 32 characters"))
    assert "signing secret of" not in repr(made)
    assert JWT_SECRET not in repr(made)
