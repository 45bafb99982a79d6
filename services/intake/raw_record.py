"""A record of the intake topic, byte for byte as it came, wherever it is kept."""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self
from uuid import UUID

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True)
class Received:
    """One record. `id` is the same whenever the same record is read again, also after a crash."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Kafka's, in milliseconds; below zero where the producer gave none."""
    key: bytes | None
    value: bytes | None
    headers: Headers

    @classmethod
    def of(cls, record: Any) -> Self:
        """From aiokafka's ConsumerRecord."""
        return cls(
            record.topic, record.partition, record.offset, record.timestamp, record.key,
            record.value, tuple(record.headers),
        )  # fmt: skip

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Self:
        """From a row of crm.dead_letters or crm.intake_waiting."""
        return cls(
            row["topic"], row["partition"], row["kafka_offset"], row["kafka_timestamp"],
            row["key"], row["value"], headers_of(row["headers"]),
        )  # fmt: skip

    @cached_property
    def id(self) -> UUID:
        """Of the record, not of what it says. A broker that forgot everything counts anew: so the
        content is part of it."""
        place = f"{self.topic}/{self.partition}/{self.offset}/{self.timestamp}/"
        told = hashlib.blake2b(place.encode("utf-8", "surrogatepass"), digest_size=16)
        for part in (self.key, self.value, *(value for _, value in self.headers)):
            told.update(b"-" if part is None else b"+%d:" % len(part) + part)
        return UUID(bytes=told.digest())

    def columns(self) -> tuple[object, ...]:
        """topic, partition, kafka_offset, kafka_timestamp, key, value, headers."""
        return (
            self.topic, self.partition, self.offset, self.timestamp, self.key, self.value,
            self.kept_headers(),
        )  # fmt: skip

    def kept_headers(self) -> list[list[str | None]]:
        """Headers as JSON can hold them."""
        return [
            [storable(name), None if value is None else b64encode(value).decode()]
            for name, value in self.headers
        ]


COLUMNS = ("topic", "partition", "kafka_offset", "kafka_timestamp", "key", "value", "headers")


def headers_of(kept: list[list[str | None]]) -> Headers:
    """Headers from the JSON they are kept as."""
    return tuple((name or "", None if value is None else b64decode(value)) for name, value in kept)


def storable(text: str, most: int = 2_000) -> str:
    """The text as PostgreSQL can hold it: no U+0000, no lone surrogate, not endless."""
    clean = text[:most].replace("\x00", "\N{SYMBOL FOR NULL}")
    return clean.encode("utf-8", "replace").decode()
