"""Sending events to the intake topic: JSON lines of CloudEvents, checked before they travel."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import orjson
from aiokafka import AIOKafkaProducer

from services.intake import signature
from services.intake.envelope import STRUCTURED
from services.intake.producer_record import read_sent
from services.intake.raw_record import Received
from services.intake.rejection import Reason, Refused

IN_FLIGHT_AT_MOST = 1_000
RECORD_BYTES = 1024 * 1024
NOW_MS = 1
"""A stand-in for the broker's clock: an event without a time gets the record's."""


@dataclass(frozen=True, slots=True)
class Signing:
    """The key to sign with, for a broker that several organisations share."""

    key_id: str
    secret: bytes


@dataclass(slots=True)
class Published:
    """How many lines went out, and which did not: line number, reason, what to do."""

    sent: int = 0
    refused: list[tuple[int, str, str]] = field(default_factory=list)
    types: Counter[str] = field(default_factory=Counter)


def checked(line: bytes) -> tuple[UUID, str]:
    """The property and the type of a line that the door could take in. Raises `Refused`.

    What only the database knows (the property, the subject, the decider) is not asked.
    """
    if len(line) > RECORD_BYTES - 4096:
        raise Refused(Reason.LIMIT_EXCEEDED, f"{len(line):,} bytes do not fit a record")
    headers = (("content-type", STRUCTURED.encode()),)
    sent = read_sent(Received("", 0, 0, NOW_MS, None, line, headers))
    return sent.property_id, sent.event.name


@asynccontextmanager
async def producing(bootstrap_servers: str) -> AsyncIterator[AIOKafkaProducer]:
    """A producer for the length of a block; leaving it waits for what is on its way."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        acks="all",
        linger_ms=5,
        max_batch_size=256 * 1024,
        max_request_size=RECORD_BYTES,
        request_timeout_ms=10_000,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def publish(
    lines: Iterable[bytes],
    producer: AIOKafkaProducer | None,
    topic: str,
    *,
    signing: Signing | None = None,
    advance: Callable[[int], None] = lambda _bytes: None,
) -> Published:
    """Check each line and, where there is a producer, send it; empty lines are skipped.

    Returns when every line sent is acknowledged. Raises aiokafka's errors: publish the file again
    then, what has arrived is recognised by its id.
    """
    done = Published()
    flying: list[asyncio.Future[object]] = []
    for number, raw in enumerate(lines, start=1):
        advance(len(raw))
        line = raw.strip()
        if not line:
            continue
        try:
            property_id, name = checked(line)
        except Refused as refused:
            done.refused.append((number, refused.reason, refused.detail))
            continue
        if producer is not None:
            flying.append(await send(producer, topic, line, property_id, signing))
        if len(flying) >= IN_FLIGHT_AT_MOST:
            await asyncio.gather(*flying)
            flying.clear()
        done.sent += 1
        done.types[name] += 1
    await asyncio.gather(*flying)
    return done


async def send(
    producer: AIOKafkaProducer,
    topic: str,
    event: bytes,
    property_id: UUID,
    signing: Signing | None = None,
) -> "asyncio.Future[object]":
    """Send one structured CloudEvent; the future is done when every replica has it."""
    headers: list[tuple[str, bytes]] = [("content-type", STRUCTURED.encode())]
    if signing is not None:
        headers.append(signature.sign(signing.key_id, signing.secret, headers, event))
    flying: asyncio.Future[object] = await producer.send(
        topic, event, key=str(property_id).encode(), headers=headers
    )
    return flying


def structured(
    name: str, data: object, *, ce_id: str, source: str, property_id: UUID, time: str | None = None
) -> bytes:
    """A CloudEvent in structured mode."""
    said = {
        "specversion": "1.0", "id": ce_id, "source": source, "type": name,
        "propertyid": property_id, "datacontenttype": "application/json", "data": data,
    }  # fmt: skip
    return orjson.dumps(said | ({"time": time} if time else {}), default=str)
