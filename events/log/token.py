"""The token a write answers: what a reader hands in to read its own write."""

import base64
import binascii
from typing import NamedTuple, Self
from uuid import UUID


class MalformedToken(ValueError):
    """The token is not one of ours: hand in what `X-CRM-Token` answered, unchanged."""


class Token(NamedTuple):
    """The last event a write appended, where to find it, and in which life of the log."""

    generation: int
    shard: int
    event_id: UUID

    def __str__(self) -> str:
        raw = self.generation.to_bytes(4) + self.shard.to_bytes(1) + self.event_id.bytes
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `MalformedToken`."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise MalformedToken(MalformedToken.__doc__) from error
        if len(raw) != 21 or raw[4] > 63:
            raise MalformedToken(MalformedToken.__doc__)
        return cls(int.from_bytes(raw[:4]), raw[4], UUID(bytes=raw[5:]))
