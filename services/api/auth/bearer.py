"""Bearer tokens of console users: JWTs as Supabase issues them, verified by secret or public key.

HS256 is verified with the secret only, ES256 and RS256 with the keys of the issuer's JWKS only.
So a token cannot choose the key that verifies it.
"""

import asyncio
import time
from typing import Any
from uuid import UUID

import jwt
from jwt import PyJWK, PyJWKClient, PyJWKClientConnectionError, PyJWKClientError

from services.api.problems import Problem
from services.runtime.settings import Settings

ROLE = "authenticated"
LEEWAY_SECONDS = 10
MAX_TOKEN_LENGTH = 8_192
MAX_KEY_ID_LENGTH = 200
FETCH_SECONDS = 5
_KEY_TYPES = {"ES256": "EC", "RS256": "RSA"}
"""Algorithm → type of its key."""


class InvalidBearerToken(Exception):
    """A token that is malformed, forged, expired or made for another audience."""


class BearerVerifier:
    """A verifier of bearer tokens that caches the issuer's public keys."""

    def __init__(self, settings: Settings) -> None:
        secret = settings.jwt_secret
        self._secret = secret.get_secret_value() if secret else None
        self._keys = IssuerKeys(settings) if settings.jwks_url else None
        self._audience, self._issuer = settings.jwt_audience, settings.jwt_issuer

    async def subject(self, token: str) -> UUID:
        """Return the user id of a token.

        Raise `InvalidBearerToken`, or 503 if the issuer's keys cannot be fetched.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise InvalidBearerToken
        try:
            header = jwt.get_unverified_header(token)
            algorithm = str(header.get("alg"))
            key = await self._find_key(algorithm, header.get("kid"))
            claims = self._verify(token, key, algorithm)
            if claims.get("role") != ROLE:
                raise InvalidBearerToken
            return UUID(claims["sub"])
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, RecursionError):
            raise InvalidBearerToken from None

    async def _find_key(self, algorithm: str, key_id: object) -> str | PyJWK:
        if algorithm == "HS256" and self._secret is not None:
            return self._secret
        if self._keys is None or algorithm not in _KEY_TYPES:
            raise InvalidBearerToken
        if not isinstance(key_id, str) or not 0 < len(key_id) <= MAX_KEY_ID_LENGTH:
            raise InvalidBearerToken
        key = await self._keys.find(key_id)
        if key.key_type != _KEY_TYPES[algorithm] or key.algorithm_name != algorithm:
            raise InvalidBearerToken
        return key

    def _verify(self, token: str, key: str | PyJWK, algorithm: str) -> dict[str, Any]:
        return jwt.decode(
            token, key, algorithms=[algorithm], audience=self._audience, issuer=self._issuer,
            options={"require": ["exp", "sub", "aud"]}, leeway=LEEWAY_SECONDS,
        )  # fmt: skip


class IssuerKeys:
    """The public keys of the token issuer, fetched from its JWKS address and cached.

    Keys are fetched in a thread, one fetch at a time and not more often than the settings allow:
    otherwise tokens with invented key ids could make this process flood the issuer.
    """

    def __init__(self, settings: Settings) -> None:
        self._refetch_seconds = settings.jwks_refetch_seconds
        self._client = PyJWKClient(
            settings.jwks_url or "", lifespan=settings.jwks_lifespan_seconds,
            timeout=FETCH_SECONDS, cooldown_duration=settings.jwks_refetch_seconds,
        )  # fmt: skip
        self._fetch_lock = asyncio.Lock()
        self._failed_at: float | None = None

    async def find(self, key_id: str) -> PyJWK:
        """Return the key with this id.

        Raise `InvalidBearerToken` for an unknown id, and 503 if the issuer does not answer.
        """
        if (key := self._cached(key_id)) is not None:
            return key
        async with self._fetch_lock:
            # Another request may have fetched it while this one waited for the lock.
            if (key := self._cached(key_id)) is not None:
                return key
            # The client's own cool-down covers successful fetches only.
            if self._failed_at is not None and (
                time.monotonic() - self._failed_at < min(self._refetch_seconds, FETCH_SECONDS)
            ):
                raise _keys_unavailable()
            try:
                key = await asyncio.to_thread(self._client.get_signing_key, key_id)
            except PyJWKClientConnectionError:
                self._failed_at = time.monotonic()
                raise _keys_unavailable() from None
            except (PyJWKClientError, jwt.PyJWTError, ValueError, LookupError):
                raise InvalidBearerToken from None
            self._failed_at = None
            return key

    def _cached(self, key_id: str) -> PyJWK | None:
        cache = self._client.jwk_set_cache
        key_set = cache.get() if cache else None
        for key in key_set.keys if key_set else ():
            if key.key_id == key_id and key.public_key_use in ("sig", None):
                return key
        return None


def _keys_unavailable() -> Problem:
    return Problem(
        503, "unavailable",
        f"the public keys of the token issuer cannot be fetched: try again in {FETCH_SECONDS} s",
        headers={"Retry-After": str(FETCH_SECONDS)},
    )  # fmt: skip
