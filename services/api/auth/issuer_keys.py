"""The public keys of the token issuer, fetched from its JWKS address and kept for some time."""

import asyncio
from time import monotonic

import jwt
from jwt import PyJWK, PyJWKClient

from services.api.problems import Problem
from services.runtime.logging import get_logger
from services.runtime.settings import Settings

FETCH_SECONDS = 5
WARNING_SECONDS = 60.0
"""The shortest time between two warnings that kept keys are used."""

log = get_logger("auth")


class UnknownKey(Exception):
    """The issuer has no key with this id."""


class IssuerKeys:
    """The keys that the issuer answered last.

    Keys are fetched in a thread, one fetch at a time and not more often than the settings allow:
    otherwise tokens with invented key ids could make this process flood the issuer. While the
    issuer does not answer, the last keys are used for `jwks_outage_seconds` more.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = PyJWKClient(
            settings.jwks_url or "", cache_jwk_set=False, timeout=FETCH_SECONDS
        )
        self._fetch_lock = asyncio.Lock()
        self._keys: dict[str, PyJWK] = {}
        self._fetched_at = self._failed_at = self._warned_at = float("-inf")

    async def find(self, key_id: str) -> PyJWK:
        """Return the key with this id.

        Raise `UnknownKey`, and 503 if the issuer does not answer and no kept key has this id.
        """
        if (key := self._find_fresh(key_id)) is not None:
            return key
        async with self._fetch_lock:
            # Another request may have fetched it while this one waited for the lock.
            if (key := self._find_fresh(key_id)) is not None:
                return key
            age = self._age()
            if age < min(self._settings.jwks_refetch_seconds, self._settings.jwks_lifespan_seconds):
                raise UnknownKey
            pause = min(self._settings.jwks_refetch_seconds, FETCH_SECONDS)
            if monotonic() - self._failed_at >= pause:
                await self._fetch()
            if self._failed_at > self._fetched_at:
                return self._find_kept(key_id)
        if (key := self._keys.get(key_id)) is None:
            raise UnknownKey
        return key

    async def _fetch(self) -> None:
        """Fetch the keys; an answer without usable keys counts as no answer."""
        try:
            keys = await asyncio.to_thread(self._client.get_signing_keys)
        except (jwt.PyJWTError, ValueError, LookupError, OSError) as error:
            self._failed_at = monotonic()
            log.warning("auth.issuer_unavailable", error=error)
            return
        self._keys = {key.key_id: key for key in keys if key.key_id}
        self._fetched_at = monotonic()

    def _find_fresh(self, key_id: str) -> PyJWK | None:
        is_fresh = self._age() < self._settings.jwks_lifespan_seconds
        return self._keys.get(key_id) if is_fresh else None

    def _find_kept(self, key_id: str) -> PyJWK:
        """Return a key that is older than its lifespan, because there is no newer answer."""
        limit = self._settings.jwks_lifespan_seconds + self._settings.jwks_outage_seconds
        key = self._keys.get(key_id)
        if key is None or self._age() >= limit:
            raise _keys_unavailable()
        if monotonic() - self._warned_at >= WARNING_SECONDS:
            self._warned_at = monotonic()
            log.warning(
                "auth.kept_keys_used", age_seconds=round(self._age()), limit_seconds=round(limit)
            )
        return key

    def _age(self) -> float:
        return monotonic() - self._fetched_at


def _keys_unavailable() -> Problem:
    return Problem(
        503, "unavailable",
        f"the public keys of the token issuer cannot be fetched: try again in {FETCH_SECONDS} s",
        headers={"Retry-After": str(FETCH_SECONDS)},
    )  # fmt: skip
