"""Copies of dead letters on their topic, for whoever watches it; the table is the truth."""

import asyncio

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from services.intake.raw_record import Headers, headers_of

COPIES_AT_A_TIME = 500
LARGEST_COPY_BYTES = 1024 * 1024
"""What a broker takes by default."""
LARGEST_VALUE_BYTES = LARGEST_COPY_BYTES // 2
ROOM_BYTES = LARGEST_COPY_BYTES - 32 * 1024
"""For what the record held: the rest is for the reason."""
HEADER_BYTES = 16
"""What a header takes besides its name and value, and more."""


def producer(bootstrap_servers: str) -> AIOKafkaProducer:
    """A producer of copies. Start it, stop it."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        acks="all",
        linger_ms=5,
        max_batch_size=256 * 1024,
        max_request_size=LARGEST_COPY_BYTES,
        request_timeout_ms=10_000,
    )


async def copy(pool: asyncpg.Pool, sender: AIOKafkaProducer, topic: str) -> int:
    """Send what was not sent yet, then note that it was: a crash between repeats copies.

    Raises what one of them raised when the others are noted.
    """
    rows = await pool.fetch(
        "SELECT * FROM crm.dead_letters WHERE copied_at IS NULL ORDER BY first_at LIMIT $1",
        COPIES_AT_A_TIME,
    )
    sending = [_copy(sender, topic, row) for row in rows]
    failures = await asyncio.gather(*sending, return_exceptions=True)
    copied = [row["id"] for row, failed in zip(rows, failures, strict=True) if failed is None]
    if copied:
        await pool.execute(
            "UPDATE crm.dead_letters SET copied_at = clock_timestamp() "
            "WHERE id = ANY($1::uuid[]) AND copied_at IS NULL",
            copied,
        )
    for failed in failures:
        if failed is not None:
            raise failed
    return len(rows)


async def _copy(sender: AIOKafkaProducer, topic: str, row: asyncpg.Record) -> None:
    """What even so is too large for the broker goes without any of its content."""
    try:
        await _send(sender, topic, row, ROOM_BYTES)
    except MessageSizeTooLargeError:
        await _send(sender, topic, row, 0)


async def _send(sender: AIOKafkaProducer, topic: str, row: asyncpg.Record, room: int) -> None:
    """A record of the largest size has no room for the reason: what is large is left out."""
    key, value, own = row["key"], row["value"], headers_of(row["headers"])
    told = _told(row)
    if (size := len(value or b"")) > min(room, LARGEST_VALUE_BYTES):
        value = b""
        told.append(("crm-value-bytes", str(size).encode()))
    room -= len(value or b"")
    if (size := _size(own)) > room:
        own = ()
        told.append(("crm-headers-bytes", str(size).encode()))
    room -= _size(own)
    if (size := len(key or b"")) > room:
        key = None
        told.append(("crm-key-bytes", str(size).encode()))
    if key is None and value is None:
        value = b""
    await sender.send_and_wait(topic, key=key, value=value, headers=[*own, *told])


def _size(headers: Headers) -> int:
    return sum(len(name.encode()) + len(value or b"") + HEADER_BYTES for name, value in headers)


def _told(row: asyncpg.Record) -> list[tuple[str, bytes | None]]:
    """Why it was refused and where it came from."""
    told = {
        "crm-dead-letter-id": row["id"],
        "crm-reason": row["reason"],
        "crm-detail": row["detail"],
        "crm-origin": f"{row['topic']}/{row['partition']}/{row['kafka_offset']}",
        "crm-first-at": row["first_at"].isoformat(),
    }
    return [(name, str(said).encode()) for name, said in told.items()]
