"""The connection of a preview: the write path uses it, and its transaction is rolled back."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from events.log.connection import Connection


class PreviewConnection:
    """A connection in a transaction that the caller rolls back; it also takes the part of a pool.

    `acquire` returns the same connection each time, so what uses it must not do two things at once.
    Nothing that is done with it is counted in metrics, or announced.
    """

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def __getattr__(self, name: str) -> Any:
        if name == "note_append":  # nothing is committed that could be announced
            raise AttributeError(name)
        return getattr(self._conn, name)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["PreviewConnection"]:
        """Yield this connection."""
        yield self
