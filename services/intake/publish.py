"""Publishing of events to the intake topic: JSON lines of CloudEvents, checked before sending."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import orjson
from aiokafka import AIOKafkaProducer

from events.bus.brokers import client_options
from services.application.producer_record import read_producer_record
from services.application.raw_record import RawRecord
from services.application.rejection import RejectedRecord, RejectionReason
from services.intake import signature
from services.runtime.cloud_events import STRUCTURED

MAX_IN_FLIGHT = 1_000
RECORD_BYTES = 1024 * 1024
NOW_MS = 1
"""A timestamp for checks only. The broker sets the real one, which an event without time gets."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key with which records are signed, for a broker that several organisations share."""

    key_id: str
    secret: bytes


@dataclass(slots=True)
class PublicationResult:
    """The result of a publication: sent lines, and rejected ones as (line, reason, detail)."""

    sent: int = 0
    rejected: list[tuple[int, str, str]] = field(default_factory=list)
    types: Counter[str] = field(default_factory=Counter)


def check_line(line: bytes) -> tuple[UUID, str]:
    """Return the property and the event type of a line. Raise `RejectedRecord`.

    Only the database knows whether the property and the subject exist and whether the decider
    agrees. These are not checked.
    """
    if len(line) > RECORD_BYTES - 4096:
        raise RejectedRecord(
            RejectionReason.LIMIT_EXCEEDED,
            f"the line has {len(line):,} bytes: a record has {RECORD_BYTES - 4096:,} at most",
        )
    headers = (("content-type", STRUCTURED.encode()),)
    record = read_producer_record(RawRecord("", 0, 0, NOW_MS, None, line, headers))
    return record.property_id, record.event.name


@asynccontextmanager
async def open_producer(bootstrap_servers: str) -> AsyncIterator[AIOKafkaProducer]:
    """Open a Kafka producer during a block. Its end waits for the acknowledgements."""
    producer = AIOKafkaProducer(
        **client_options(bootstrap_servers),
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
    signing_key: SigningKey | None = None,
    advance: Callable[[int], None] = lambda _bytes: None,
) -> PublicationResult:
    """Check each line and send it if there is a producer. Skip empty lines.

    Return when every sent line is acknowledged. Raise the errors of aiokafka: then publish the
    file again; events that arrived are recognised by their id.
    """
    result = PublicationResult()
    in_flight: list[asyncio.Future[object]] = []
    for number, raw in enumerate(lines, start=1):
        advance(len(raw))
        line = raw.strip()
        if not line:
            continue
        try:
            property_id, name = check_line(line)
        except RejectedRecord as rejected:
            result.rejected.append((number, rejected.reason, rejected.detail))
            continue
        if producer is not None:
            in_flight.append(await send(producer, topic, line, property_id, signing_key))
        if len(in_flight) >= MAX_IN_FLIGHT:
            await asyncio.gather(*in_flight)
            in_flight.clear()
        result.sent += 1
        result.types[name] += 1
    await asyncio.gather(*in_flight)
    return result


async def send(
    producer: AIOKafkaProducer,
    topic: str,
    event: bytes,
    property_id: UUID,
    signing_key: SigningKey | None = None,
) -> "asyncio.Future[object]":
    """Send one structured CloudEvent; the future ends when every replica has it."""
    headers: list[tuple[str, bytes]] = [("content-type", STRUCTURED.encode())]
    if signing_key is not None:
        headers.append(signature.sign(signing_key.key_id, signing_key.secret, headers, event))
    acknowledged: asyncio.Future[object] = await producer.send(
        topic, event, key=str(property_id).encode(), headers=headers
    )
    return acknowledged


def structured_event(
    name: str, data: object, *, ce_id: str, source: str, property_id: UUID, time: str | None = None
) -> bytes:
    """Return a CloudEvent in structured mode."""
    document = {
        "specversion": "1.0", "id": ce_id, "source": source, "type": name,
        "propertyid": property_id, "datacontenttype": "application/json", "data": data,
    }  # fmt: skip
    return orjson.dumps(document | ({"time": time} if time else {}), default=str)
