"""The verifying reader: the only way from a received record to an event.

Whoever may write to the topic can put any bytes there. A record is believed only if the relay
signed it, and if its Kafka key, shard, property and organisation belong together. Nothing is lost
with a refused record: its event, if there is one, is read from the log as a gap.
"""

import time
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol
from uuid import UUID

import asyncpg

from events.bus import wire
from events.bus.digest import DigestProblem, RecordDigest
from events.bus.wire import ReceivedRecord
from events.log import read
from events.log.shard import shard_of_key

KEY_SECONDS = 10.0
"""Time after which the keys are loaded again, so that a retired key is no longer accepted."""
UNKNOWN_KEY_SECONDS = 1.0
"""Shortest time between two loads because of unknown keys: anybody can invent ids of keys."""


class RecordProblem(StrEnum):
    """The reason why a record with a valid digest is refused."""

    FOREIGN = "foreign"
    WRONG_KEY = "wrong_key"
    WRONG_SHARD = "wrong_shard"
    WRONG_ORGANISATION = "wrong_organisation"


class RefusedRecord(ValueError):
    """A record that is not believed; `reason` is the code that the metric counts."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the record is refused: {reason}")
        self.reason = reason


class ConsumedRecord(Protocol):
    """A record as a Kafka client returns it."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class VerifiedBatch(NamedTuple):
    """The verified records in their order, and reason → number of the refused ones."""

    records: list[ReceivedRecord]
    refused: Counter[str]


class VerifyingReader:
    """A reader of the records of one topic and log, which loads what the checks need."""

    def __init__(self, pool: asyncpg.Pool, topic: str, log_id: UUID) -> None:
        self.topic = topic
        self._pool, self._log_id = pool, log_id
        self._digest: RecordDigest | None = None
        self._loaded_at = -KEY_SECONDS
        self._organisations: dict[str, str] = {}
        """Property id → organisation id. A property never moves to another organisation."""

    async def read(self, records: Sequence[ConsumedRecord]) -> VerifiedBatch:
        """Verify records in their order. Raise the error of asyncpg if nothing can be loaded."""
        digest = await self._load_digest(KEY_SECONDS)
        received, refused = _check_digests(digest, records)
        if refused[DigestProblem.UNKNOWN_KEY]:
            digest = await self._load_digest(UNKNOWN_KEY_SECONDS)
            received, refused = _check_digests(digest, records)
        await self._load_organisations(received)
        organisation_of = self._organisations.get
        verified = [
            record for record in received
            if (property_id := record.property_id) is None
            or organisation_of(property_id) == record.org_id
        ]  # fmt: skip
        if wrong := len(received) - len(verified):
            refused[RecordProblem.WRONG_ORGANISATION] += wrong
        return VerifiedBatch(verified, refused)

    async def _load_digest(self, seconds: float) -> RecordDigest:
        """Return the digest, with keys that were loaded in the last `seconds`."""
        now = time.monotonic()
        if self._digest is None or now - self._loaded_at > seconds:
            async with self._pool.acquire() as conn:
                self._digest = await RecordDigest.load(conn, self.topic, self._log_id)
            self._loaded_at = now
        return self._digest

    async def _load_organisations(self, records: Sequence[ReceivedRecord]) -> None:
        """Load the organisations of properties that are not known yet, from the log."""
        properties = {record.property_id for record in records if record.property_id is not None}
        if unknown := properties - self._organisations.keys():
            async with self._pool.acquire() as conn:
                self._organisations |= await read.organisations_of(conn, unknown)


def _check_digests(
    digest: RecordDigest, records: Sequence[ConsumedRecord]
) -> tuple[list[ReceivedRecord], Counter[str]]:
    """Return the records that the relay of this log wrote, and reason → number of the others."""
    received: list[ReceivedRecord] = []
    refused: Counter[str] = Counter()
    for record in records:
        try:
            received.append(_check(digest, record))
        except RefusedRecord as refusal:
            refused[refusal.reason] += 1
    return received, refused


def _check(digest: RecordDigest, record: ConsumedRecord) -> ReceivedRecord:
    """Return the record with its attributes. Raise `RefusedRecord`."""
    key = record.key or b""
    if problem := digest.find_problem(key, record.value, record.headers):
        raise RefusedRecord(problem)
    try:
        received = wire.read_record(record.value, digest.log_id)
    except wire.ForeignRecord as error:
        raise RefusedRecord(RecordProblem.FOREIGN) from error
    if key != (received.property_id or received.org_id).encode():
        raise RefusedRecord(RecordProblem.WRONG_KEY)
    if received.shard != shard_of_key(key):
        raise RefusedRecord(RecordProblem.WRONG_SHARD)
    return received
