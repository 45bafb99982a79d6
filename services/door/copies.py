"""Copies of dead letters on their topic, for whoever watches it; the table is the truth."""

import asyncio
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer

from services.door.received import headers_of

COPIES_AT_A_TIME = 500
LARGEST_COPY_BYTES = 512 * 1024
"""Half of what a broker takes by default: the rest is room for headers."""


def producer(bootstrap_servers: str) -> AIOKafkaProducer:
    """A producer of copies. Start it, stop it."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers,
        acks="all",
        linger_ms=5,
        max_batch_size=256 * 1024,
        max_request_size=2 * LARGEST_COPY_BYTES,
        request_timeout_ms=10_000,
    )


async def copy(pool: asyncpg.Pool, sender: AIOKafkaProducer, topic: str) -> int:
    """Send what was not sent yet, then note that it was: a crash between repeats copies."""
    rows = await pool.fetch(
        "SELECT * FROM crm.dead_letters WHERE copied_at IS NULL ORDER BY first_at LIMIT $1",
        COPIES_AT_A_TIME,
    )
    for acknowledged in [await _send(sender, topic, row) for row in rows]:
        await acknowledged
    if rows:
        await pool.execute(
            "UPDATE crm.dead_letters SET copied_at = clock_timestamp() "
            "WHERE id = ANY($1::uuid[]) AND copied_at IS NULL",
            [row["id"] for row in rows],
        )
    return len(rows)


async def _send(sender: AIOKafkaProducer, topic: str, row: asyncpg.Record) -> "asyncio.Future[Any]":
    """A record of the largest size has no room for the reason: its copy goes without the value."""
    key, value, headers = row["key"], row["value"], _headers(row)
    if key is None and value is None:
        value = b""
    if len(value or b"") > LARGEST_COPY_BYTES:
        headers.append(("crm-value-bytes", str(len(value)).encode()))
        value = b""
    sent: asyncio.Future[Any] = await sender.send(topic, key=key, value=value, headers=headers)
    return sent


def _headers(row: Any) -> list[tuple[str, bytes | None]]:
    """The record's own headers, then why it was refused and where it came from."""
    told = {
        "crm-dead-letter-id": row["id"],
        "crm-reason": row["reason"],
        "crm-detail": row["detail"],
        "crm-origin": f"{row['topic']}/{row['partition']}/{row['kafka_offset']}",
        "crm-first-at": row["first_at"].isoformat(),
    }
    return [*headers_of(row["headers"]), *((name, str(v).encode()) for name, v in told.items())]
