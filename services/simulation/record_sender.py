"""Sending of records to the intake topic, also while the broker restarts."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

from aiokafka.errors import KafkaError

from services.intake.publish import open_producer, send
from services.runtime.logging import get_logger

MAX_IN_FLIGHT = 1_000
ATTEMPTS = 30
RETRY_SECONDS = 2.0
AWAY_ERRORS = (KafkaError, OSError)
"""Errors of a broker that is away; `TimeoutError` is an `OSError`."""

log = get_logger("simulation")


class RecordSender:
    """A Kafka producer that is opened again after the broker was away.

    The events have fixed ids, so a record that is sent twice is one event. `create_topic` is called
    after an outage, because the embedded broker loses its topics.
    """

    def __init__(
        self, bootstrap_servers: str, topic: str, create_topic: Callable[[], Awaitable[None]]
    ) -> None:
        self._bootstrap_servers, self._topic = bootstrap_servers, topic
        self._create_topic = create_topic
        self._stack = AsyncExitStack()
        self._producer: Any = None
        self._unacknowledged: list[tuple[bytes, UUID]] = []
        self._acknowledgements: list[asyncio.Future[object]] = []

    async def open(self) -> None:
        """Connect to the broker. Raise its connection errors."""
        self._producer = await self._stack.enter_async_context(
            open_producer(self._bootstrap_servers)
        )

    async def close(self) -> None:
        """Close the connection."""
        await self._stack.aclose()

    async def send(self, event: bytes, property_id: UUID) -> None:
        """Send an event; at most `MAX_IN_FLIGHT` wait for their acknowledgement."""
        self._unacknowledged.append((event, property_id))
        try:
            await self._send(event, property_id)
        except AWAY_ERRORS as error:
            await self._send_again(error)
        if len(self._unacknowledged) >= MAX_IN_FLIGHT:
            await self.flush()

    async def flush(self) -> None:
        """Wait until the broker has acknowledged everything that was sent.

        Raise the last error if the broker is away for too long.
        """
        try:
            await self._wait_for_acknowledgements()
        except AWAY_ERRORS as error:
            await self._send_again(error)

    async def _send(self, event: bytes, property_id: UUID) -> None:
        acknowledgement = await send(self._producer, self._topic, event, property_id)
        self._acknowledgements.append(acknowledgement)

    async def _wait_for_acknowledgements(self) -> None:
        pending, self._acknowledgements = self._acknowledgements, []
        for result in await asyncio.gather(*pending, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        self._unacknowledged.clear()

    async def _send_again(self, error: Exception) -> None:
        """Send everything again that was not acknowledged, on a new connection."""
        log.warning("simulation.broker_away", error=error)
        for _ in range(ATTEMPTS):
            await asyncio.gather(*self._acknowledgements, return_exceptions=True)
            self._acknowledgements.clear()
            try:
                await self.close()
                await self._create_topic()
                await self.open()
                for event, property_id in self._unacknowledged:
                    await self._send(event, property_id)
                await self._wait_for_acknowledgements()
            except AWAY_ERRORS as failure:
                error = failure
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return
        raise error
