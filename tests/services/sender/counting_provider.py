"""A provider that counts its requests and answers as a test says."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from events.deliveries import DeliveryChannel
from services.adapters.provider import (
    Accepted,
    Finding,
    HandOverResult,
    LookUp,
    OutgoingMessage,
)

Answer = Callable[[OutgoingMessage], Awaitable[HandOverResult]]


async def accept(message: OutgoingMessage) -> HandOverResult:
    return Accepted(f"at-provider-{message.delivery_id}")


class CountingProvider:
    """A provider of one channel. `requests` are the messages it was asked to send, in order."""

    name = "counting"
    is_simulated = False

    def __init__(self, channel: DeliveryChannel = DeliveryChannel.SMS) -> None:
        self.channel = channel
        self.requests: list[OutgoingMessage] = []
        self.look_ups: list[OutgoingMessage] = []
        self.answer: Answer = accept
        self.finding = LookUp(Finding.NOT_KNOWN)
        self.failing_look_ups = 0
        """The first look-ups, which end with an error."""
        self.running = self.most_running = 0

    async def hand_over(self, message: OutgoingMessage) -> HandOverResult:
        self.requests.append(message)
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            await asyncio.sleep(0)  # another request may begin now, which is counted
            return await self.answer(message)
        finally:
            self.running -= 1

    async def look_up(self, message: OutgoingMessage, _claimed_at: datetime) -> LookUp:
        self.look_ups.append(message)
        if len(self.look_ups) <= self.failing_look_ups:
            raise ConnectionResetError("connection lost during the look-up")
        return self.finding

    async def close(self) -> None: ...
