"""Copies of dead letters on their topic. The table is authoritative."""

import asyncio

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from services.intake.raw_record import Headers, headers_of

COPIES_PER_BATCH = 500
LARGEST_COPY_BYTES = 1024 * 1024
"""The largest record that a broker accepts by default."""
LARGEST_VALUE_BYTES = LARGEST_COPY_BYTES // 2
ROOM_BYTES = LARGEST_COPY_BYTES - 32 * 1024
"""Room for the content of the record. The rest is for the headers that explain the rejection."""
HEADER_BYTES = 16
"""An upper limit of what a header takes besides its name and value."""


def create_producer(bootstrap_servers: str) -> AIOKafkaProducer:
    """Return a Kafka producer for copies. The caller starts and stops it."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        acks="all",
        linger_ms=5,
        max_batch_size=256 * 1024,
        max_request_size=LARGEST_COPY_BYTES,
        request_timeout_ms=10_000,
    )


async def copy_new(pool: asyncpg.Pool, sender: AIOKafkaProducer, topic: str) -> int:
    """Copy dead letters that are not on the topic yet; return how many there were.

    They are marked after they were sent, so a crash repeats copies and loses none. If a copy
    fails, mark the others first and then raise its error.
    """
    rows = await pool.fetch(
        "SELECT * FROM crm.dead_letters WHERE copied_at IS NULL ORDER BY first_at LIMIT $1",
        COPIES_PER_BATCH,
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
    """Send a copy; without its content if the broker still finds it too large."""
    try:
        await _send(sender, topic, row, ROOM_BYTES)
    except MessageSizeTooLargeError:
        await _send(sender, topic, row, 0)


async def _send(sender: AIOKafkaProducer, topic: str, row: asyncpg.Record, room: int) -> None:
    """Send the record with the headers that explain the rejection.

    Value, headers and key that do not fit are left out. A header then gives their size.
    """
    key, value, own_headers = row["key"], row["value"], headers_of(row["headers"])
    added_headers = _explain(row)
    if (size := len(value or b"")) > min(room, LARGEST_VALUE_BYTES):
        value = b""
        added_headers.append(("crm-value-bytes", str(size).encode()))
    room -= len(value or b"")
    if (size := _size(own_headers)) > room:
        own_headers = ()
        added_headers.append(("crm-headers-bytes", str(size).encode()))
    room -= _size(own_headers)
    if (size := len(key or b"")) > room:
        key = None
        added_headers.append(("crm-key-bytes", str(size).encode()))
    if key is None and value is None:
        value = b""
    await sender.send_and_wait(topic, key=key, value=value, headers=[*own_headers, *added_headers])


def _size(headers: Headers) -> int:
    return sum(len(name.encode()) + len(value or b"") + HEADER_BYTES for name, value in headers)


def _explain(row: asyncpg.Record) -> list[tuple[str, bytes | None]]:
    """Return headers with the reason of the rejection and the origin of the record."""
    values = {
        "crm-dead-letter-id": row["id"],
        "crm-reason": row["reason"],
        "crm-detail": row["detail"],
        "crm-origin": f"{row['topic']}/{row['partition']}/{row['kafka_offset']}",
        "crm-first-at": row["first_at"].isoformat(),
    }
    return [(name, str(value).encode()) for name, value in values.items()]
