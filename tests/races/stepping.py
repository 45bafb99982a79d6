"""Statements that wait for their turn: two transactions are interleaved at every statement.

The code under test gets ordinary asyncpg connections whose statements go through a gate.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from services.runtime.database import session_settings
from services.runtime.database_settings import DatabaseSettings
from services.runtime.json_codecs import register_json_codecs

BLOCKED_SECONDS = 0.05
"""Time after which a statement that does not answer is taken to wait for a lock."""


class Gate:
    """A gate before each statement of one actor."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(0)
        self._arrived = asyncio.Event()
        self.statements = 0
        self.is_open = True

    async def wait(self) -> None:
        """Wait for the turn of the next statement."""
        if not self.is_open:
            self._arrived.set()
            await self._turns.acquire()
        self.statements += 1

    async def pass_one(
        self, actor: "asyncio.Task[Any]", blocked_seconds: float = BLOCKED_SECONDS
    ) -> bool:
        """Let one statement pass and wait until the next one arrives, or the actor has ended.

        Return False if there was none, or if it has not answered after `blocked_seconds`: it waits
        for a lock that somebody else holds, or the machine is busy.
        """
        if actor.done():
            return False
        self._arrived.clear()
        self._turns.release()
        arrival = asyncio.ensure_future(self._arrived.wait())
        try:
            await asyncio.wait(
                {arrival, actor}, timeout=blocked_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            arrival.cancel()
        return self._arrived.is_set() or actor.done()

    def close(self) -> None:
        """Stop the next statement, and count from now on."""
        self._turns, self.is_open, self.statements = asyncio.Semaphore(0), False, 0

    def open(self) -> None:
        """Let all following statements pass."""
        self.is_open = True
        self._turns.release()


def gated_connection_class(gate: Gate) -> type[asyncpg.Connection]:
    """Return a connection class whose statements, BEGIN and COMMIT too, wait at the gate."""

    class GatedConnection(asyncpg.Connection):
        async def execute(self, *arguments: Any, **options: Any) -> Any:
            return await _at_gate(gate, super().execute, *arguments, **options)

        async def fetch(self, *arguments: Any, **options: Any) -> Any:
            return await _at_gate(gate, super().fetch, *arguments, **options)

        async def fetchrow(self, *arguments: Any, **options: Any) -> Any:
            return await _at_gate(gate, super().fetchrow, *arguments, **options)

        async def fetchval(self, *arguments: Any, **options: Any) -> Any:
            return await _at_gate(gate, super().fetchval, *arguments, **options)

    return GatedConnection


async def _at_gate(
    gate: Gate, statement: Callable[..., Awaitable[Any]], *arguments: Any, **options: Any
) -> Any:
    await gate.wait()
    return await statement(*arguments, **options)


@asynccontextmanager
async def gated_pool(settings: DatabaseSettings, gate: Gate) -> AsyncIterator[asyncpg.Pool]:
    """Open a pool of a worker whose statements wait at the gate."""
    pool = await asyncpg.create_pool(
        settings.dsn,
        min_size=1,
        max_size=2,
        init=register_json_codecs,
        connection_class=gated_connection_class(gate),
        server_settings=session_settings(settings, "gated test"),
    )
    try:
        yield pool
    finally:
        gate.open()
        await pool.close()
