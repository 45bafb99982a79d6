"""Copies of outcomes on their topic, for producers that speak only Kafka.

The table is authoritative. A copy may come twice.
"""

import asyncio

import asyncpg
import orjson
from aiokafka import AIOKafkaProducer

from services.application.intake_outcomes import describe_outcome

COPIES_PER_BATCH = 1_000
HEADERS = [("content-type", b"application/json")]


async def copy_new(pool: asyncpg.Pool, sender: AIOKafkaProducer, topic: str) -> int:
    """Copy outcomes that are not on the topic yet; return how many there were.

    They are marked after they were sent, so a crash repeats copies and loses none. An outcome that
    changed meanwhile is not marked, so it is copied again.
    """
    rows = await pool.fetch(
        "SELECT * FROM crm.intake_outcomes WHERE copied_at IS NULL ORDER BY decided_at LIMIT $1",
        COPIES_PER_BATCH,
    )
    if not rows:
        return 0
    # Sent in order: two outcomes of one record have the same key, so the later one is the last.
    sent = [
        await sender.send(topic, key=_key(row), value=encode(row), headers=HEADERS) for row in rows
    ]
    await asyncio.gather(*sent)
    await pool.execute(
        "UPDATE crm.intake_outcomes AS saved SET copied_at = clock_timestamp() "
        "FROM unnest($1::uuid[], $2::timestamptz[]) AS copied (id, decided_at) "
        "WHERE saved.id = copied.id AND saved.decided_at = copied.decided_at",
        [row["id"] for row in rows],
        [row["decided_at"] for row in rows],
    )
    return len(rows)


async def copy_again(pool: asyncpg.Pool) -> None:
    """Let all outcomes be copied once more: their topic was created again, empty."""
    await pool.execute("UPDATE crm.intake_outcomes SET copied_at = NULL")


def encode(row: asyncpg.Record) -> bytes:
    """Return the copy of an outcome as JSON."""
    return orjson.dumps(describe_outcome(row), default=str, option=orjson.OPT_UTC_Z)


def _key(row: asyncpg.Record) -> bytes:
    """Return the record's source; empty if the record has none that can be read."""
    return str(row["ce_source"] or "").encode()
