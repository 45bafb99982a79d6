"""A record of the intake topic, byte for byte as it arrived."""

import hashlib
from base64 import b64decode, b64encode
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self
from uuid import UUID

from services.runtime.cloud_events import Headers

EDITED_TOPIC = "console"
"""The topic of records that operators have edited. No record of the bus has it."""


@dataclass(frozen=True)
class RawRecord:
    """A Kafka record. Its `id` is the same whenever it is read again, also after a crash."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """The timestamp of Kafka in milliseconds; negative if the producer set none."""
    key: bytes | None
    value: bytes | None
    headers: Headers

    @classmethod
    def of(cls, record: Any) -> Self:
        """Create the record from aiokafka's ConsumerRecord."""
        return cls(
            record.topic, record.partition, record.offset, record.timestamp, record.key,
            record.value, tuple(record.headers),
        )  # fmt: skip

    @cached_property
    def id(self) -> UUID:
        """Return the id of the record, which is not the id of its event.

        The content is part of it: a broker that lost its data uses the same offsets again.
        """
        origin = f"{self.topic}/{self.partition}/{self.offset}/{self.timestamp}/"
        digest = hashlib.blake2b(origin.encode("utf-8", "surrogatepass"), digest_size=16)
        for part in (self.key, self.value, *(value for _, value in self.headers)):
            digest.update(b"-" if part is None else b"+%d:" % len(part) + part)
        return UUID(bytes=digest.digest())

    @property
    def is_edited(self) -> bool:
        """Return whether an operator has made this record from a refused one."""
        return self.topic == EDITED_TOPIC

    def stored_headers(self) -> list[list[str | None]]:
        """Return the headers as JSON can store them: values in base64."""
        return [
            [storable(name), None if value is None else b64encode(value).decode()]
            for name, value in self.headers
        ]


def headers_of(stored: list[list[str | None]]) -> Headers:
    """Return the headers from their stored JSON."""
    return tuple(
        (name or "", None if value is None else b64decode(value)) for name, value in stored
    )


def storable(text: str, max_length: int = 2_000) -> str:
    """Return the text as PostgreSQL can store it: shortened, no U+0000, no lone surrogate."""
    clean = text[:max_length].replace("\x00", "\N{SYMBOL FOR NULL}")
    return clean.encode("utf-8", "replace").decode()
