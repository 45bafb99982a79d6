"""The secret keys of the key store, one for each purpose: a process remembers them for a while."""

import os
import time

from events.keys import store
from events.keys.master import KEY_BYTES, MasterKeys, WrappedKey
from events.keys.store import Source


class PurposeKeys:
    """Loads secret keys, and creates those that the store lacks."""

    def __init__(self, master_keys: MasterKeys, lifespan_seconds: float) -> None:
        self._master_keys, self._lifespan_seconds = master_keys, lifespan_seconds
        self._loaded: dict[str, tuple[bytes, float]] = {}
        self._created: set[str] = set()

    def find_loaded(self, purpose: str) -> bytes | None:
        """Return the key of a purpose if it is in memory."""
        key, until = self._loaded.get(purpose, (b"", 0.0))
        return key if until >= time.monotonic() else None

    async def load(self, target: Source, purpose: str) -> bytes:
        """Return the key of a purpose, with a query if it is not in memory."""
        if (key := self.find_loaded(purpose)) is not None:
            return key
        return await self.unwrap(target, purpose, await store.read_secret(target, purpose))

    async def unwrap(self, target: Source, purpose: str, wrapped: WrappedKey | None) -> bytes:
        """Return the key of what the store has for a purpose; create one if that is None."""
        context = purpose.encode()
        if wrapped is None:
            new = self._master_keys.wrap(os.urandom(KEY_BYTES), context)
            wrapped = await store.add_secret(target, purpose, new)
            self._created.add(purpose)
        key = self._master_keys.unwrap(wrapped, context)
        # The transaction that creates a key can be rolled back, and then another one is created.
        if purpose not in self._created:
            self._loaded[purpose] = (key, time.monotonic() + self._lifespan_seconds)
        return key
