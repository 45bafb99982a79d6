"""Copies of dead letters on their topic, with the sealed content. The table is authoritative.

The key of the content is that of the row, so a copy cannot be read any more after an erasure.
"""

import asyncio

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError

from events.bus.brokers import client_options
from events.keys.contents import subject_of

COPIES_PER_BATCH = 500
LARGEST_COPY_BYTES = 1024 * 1024
"""The largest record that a broker accepts by default."""
LARGEST_VALUE_BYTES = LARGEST_COPY_BYTES - 32 * 1024
"""The rest is for the headers that explain the rejection."""


def create_producer(bootstrap_servers: str) -> AIOKafkaProducer:
    """Return a Kafka producer for copies. The caller starts and stops it."""
    return AIOKafkaProducer(
        **client_options(bootstrap_servers),
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


async def copy_again(pool: asyncpg.Pool) -> None:
    """Let the open dead letters be copied once more: their topic was created again, empty."""
    await pool.execute("UPDATE crm.dead_letters SET copied_at = NULL WHERE status = 'open'")


async def _copy(sender: AIOKafkaProducer, topic: str, row: asyncpg.Record) -> None:
    """Send a copy; without its content if the broker finds it too large."""
    content = row["content"]
    is_sealed = subject_of(content) is not None
    is_copied = is_sealed and len(content) <= LARGEST_VALUE_BYTES
    try:
        await _send(sender, topic, row, content if is_copied else b"")
    except MessageSizeTooLargeError:
        await _send(sender, topic, row, b"")


async def _send(sender: AIOKafkaProducer, topic: str, row: asyncpg.Record, content: bytes) -> None:
    """Send the sealed content with the headers that explain the rejection."""
    headers = _explain(row)
    if not content:
        headers.append(("crm-value-bytes", str(len(row["content"])).encode()))
    await sender.send_and_wait(topic, key=str(row["id"]).encode(), value=content, headers=headers)


def _explain(row: asyncpg.Record) -> list[tuple[str, bytes]]:
    """Return headers with the reason of the rejection and the origin of the record."""
    values = {
        "crm-dead-letter-id": row["id"],
        "crm-reason": row["reason"],
        "crm-origin": f"{row['topic']}/{row['partition']}/{row['kafka_offset']}",
        "crm-first-at": row["first_at"].isoformat(),
    }
    return [(name, str(value).encode()) for name, value in values.items()]
