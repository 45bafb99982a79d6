"""The provider of a channel for which no provider is configured: it sends nothing."""

from datetime import datetime

from events.deliveries import DeliveryChannel
from services.adapters.provider import (
    Accepted,
    Finding,
    HandOverResult,
    LookUp,
    OutgoingMessage,
)


class SimulatedProvider:
    """A provider that sends nothing to anybody. Its messages are `simulated`, never sent."""

    name = "simulated"
    is_simulated = True

    def __init__(self, channel: DeliveryChannel) -> None:
        self.channel = channel

    async def hand_over(self, message: OutgoingMessage) -> HandOverResult:
        """Accept the message and do nothing with it."""
        return Accepted(None)

    async def look_up(self, message: OutgoingMessage, claimed_at: datetime) -> LookUp:
        """Return that nobody got the message."""
        return LookUp(Finding.NEVER_RECEIVED)

    async def close(self) -> None:
        """Do nothing: there is no connection."""
