"""Look-ups of who a caller is, remembered for a short time."""

import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_ENTRIES = 10_000


class LookupCache(Generic[K, V]):
    """The results of a look-up, each remembered for `lifespan_seconds`.

    Only what exists is remembered: a new key works at once.
    """

    def __init__(self, lifespan_seconds: float) -> None:
        self.lifespan_seconds = lifespan_seconds
        self._entries: dict[K, tuple[float, V]] = {}
        self._clears = 0

    async def load(self, key: K, find: Callable[[], Awaitable[V | None]]) -> V | None:
        """Return the remembered result, or that of `find`."""
        now = time.monotonic()
        until, value = self._entries.get(key, (0.0, None))
        if now < until:
            return value
        clears = self._clears
        found = await find()
        self._entries.pop(key, None)
        # What was read before `clear` was called may be old already.
        if found is not None and clears == self._clears:
            self._entries[key] = (now + self.lifespan_seconds, found)
            if len(self._entries) > MAX_ENTRIES:
                del self._entries[next(iter(self._entries))]
        return found

    def clear(self) -> None:
        """Forget everything: something has changed."""
        self._entries.clear()
        self._clears += 1
