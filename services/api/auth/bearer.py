"""Bearer tokens as Supabase issues them: whose they are, proven by a shared secret or public keys.

HS256 is checked with the secret only, ES256 and RS256 with the keys of the issuer's JWKS only, so
that no token chooses how it is checked.
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
LONGEST_TOKEN = 8_192
LONGEST_KEY_ID = 200
FETCH_SECONDS = 5
_KINDS = {"ES256": "EC", "RS256": "RSA"}
"""Algorithm → the type of key it takes."""


class Unproven(Exception):
    """The token proves nobody: it is forged, over, for somebody else, or no token at all."""


class Bearers:
    """Checks tokens; holds the issuer's public keys for a while."""

    def __init__(self, settings: Settings) -> None:
        secret = settings.jwt_secret
        self._secret = secret.get_secret_value() if secret else None
        self._keys = PublicKeys(settings) if settings.jwks_url else None
        self._audience, self._issuer = settings.jwt_audience, settings.jwt_issuer

    async def subject(self, token: str) -> UUID:
        """Who the token is of. Raises `Unproven`, and `Problem` 503 where keys are out of reach."""
        if len(token) > LONGEST_TOKEN:
            raise Unproven
        try:
            header = jwt.get_unverified_header(token)
            algorithm = str(header.get("alg"))
            claims = self._claims(token, await self._key(algorithm, header.get("kid")), algorithm)
            if claims.get("role") != ROLE:
                raise Unproven
            return UUID(claims["sub"])
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError, RecursionError):
            raise Unproven from None

    async def _key(self, algorithm: str, key_id: object) -> str | PyJWK:
        if algorithm == "HS256" and self._secret is not None:
            return self._secret
        if self._keys is None or algorithm not in _KINDS:
            raise Unproven
        if not isinstance(key_id, str) or not 0 < len(key_id) <= LONGEST_KEY_ID:
            raise Unproven
        key = await self._keys.find(key_id)
        if key.key_type != _KINDS[algorithm] or key.algorithm_name != algorithm:
            raise Unproven
        return key

    def _claims(self, token: str, key: str | PyJWK, algorithm: str) -> dict[str, Any]:
        return jwt.decode(
            token, key, algorithms=[algorithm], audience=self._audience, issuer=self._issuer,
            options={"require": ["exp", "sub", "aud"]}, leeway=LEEWAY_SECONDS,
        )  # fmt: skip


class PublicKeys:
    """The keys behind an address, fetched off the loop, one fetch at a time and not too often."""

    def __init__(self, settings: Settings) -> None:
        self._refetch_seconds = settings.jwks_refetch_seconds
        self._client = PyJWKClient(
            settings.jwks_url or "", lifespan=settings.jwks_lifespan_seconds,
            timeout=FETCH_SECONDS, cooldown_duration=settings.jwks_refetch_seconds,
        )  # fmt: skip
        self._fetching = asyncio.Lock()
        self._failed_at: float | None = None

    async def find(self, key_id: str) -> PyJWK:
        """Raises `Unproven` for a key that is not there, `Problem` 503 where nobody answers."""
        if (key := self._held(key_id)) is not None:
            return key
        async with self._fetching:
            if (key := self._held(key_id)) is not None:
                return key
            if self._failed_at is not None and (
                time.monotonic() - self._failed_at < min(self._refetch_seconds, FETCH_SECONDS)
            ):
                raise _away()
            try:
                found = await asyncio.to_thread(self._client.get_signing_key, key_id)
            except PyJWKClientConnectionError:
                self._failed_at = time.monotonic()
                raise _away() from None
            except (PyJWKClientError, jwt.PyJWTError, ValueError, LookupError):
                raise Unproven from None
            self._failed_at = None
            return found

    def _held(self, key_id: str) -> PyJWK | None:
        cache = self._client.jwk_set_cache
        held = cache.get() if cache else None
        for key in held.keys if held else ():
            if key.key_id == key_id and key.public_key_use in ("sig", None):
                return key
        return None


def _away() -> Problem:
    return Problem(
        503, "unavailable", "the keys that tokens are checked with cannot be fetched: try again",
        headers={"Retry-After": str(FETCH_SECONDS)},
    )  # fmt: skip
