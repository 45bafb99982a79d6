"""The consistency token: a write returns it, and a read with it includes that write."""

import base64
import binascii
from typing import NamedTuple, Self
from uuid import UUID

from events.log.shard import SHARDS

TOKEN_BYTES = 4 + 1 + 16
"""Generation, shard and event id."""


class MalformedToken(ValueError):
    """The consistency token is invalid: send the value of `X-CRM-Token` unchanged."""


class Token(NamedTuple):
    """The last event of a write, with its shard and log generation."""

    generation: int
    shard: int
    event_id: UUID

    def __str__(self) -> str:
        data = self.generation.to_bytes(4) + self.shard.to_bytes(1) + self.event_id.bytes
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the token of a text. Raises `MalformedToken`."""
        try:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise MalformedToken(MalformedToken.__doc__) from error
        if len(data) != TOKEN_BYTES or data[4] >= SHARDS:
            raise MalformedToken(MalformedToken.__doc__)
        return cls(int.from_bytes(data[:4]), data[4], UUID(bytes=data[5:]))
