"""The secret keys that the API uses: read from the database, and again when they get old."""

import time

import asyncpg

from events.log.secret_keys import Purpose, SecretKey, load_secret_keys

MAX_AGE_SECONDS = 30.0
"""Age at which keys are read again. After a rotation, processes sign with the new key by then."""
MIN_AGE_SECONDS = 1.0
"""Age below which keys are not read again, although a token has no key among them.

Otherwise invented tokens would cause a query each.
"""


class SecretKeyCache:
    """The keys of each purpose, newest first: the first one signs."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._keys: dict[Purpose, tuple[float, list[SecretKey]]] = {}

    async def load(self, purpose: Purpose) -> list[SecretKey]:
        """Return the keys that are not retired."""
        return await self._load(purpose, MAX_AGE_SECONDS)

    async def load_again(self, purpose: Purpose) -> list[SecretKey]:
        """Return the keys, read again unless that was a moment ago."""
        return await self._load(purpose, MIN_AGE_SECONDS)

    async def load_newest(self, purpose: Purpose) -> bytes:
        """Return the bytes of the key that signs."""
        return (await self.load(purpose))[0].key

    async def _load(self, purpose: Purpose, max_age_seconds: float) -> list[SecretKey]:
        read_at, keys = self._keys.get(purpose, (float("-inf"), []))
        if time.monotonic() - read_at > max_age_seconds:
            async with self._pool.acquire() as conn:
                keys = await load_secret_keys(conn, purpose)
            self._keys[purpose] = (time.monotonic(), keys)
        return keys
