"""Raw batches from a topic through FastStream: records as they came, and a join that is bounded."""

import asyncio
from typing import Any

from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER

from services.runtime.logging import get_logger

START_SECONDS = 20.0
"""How long joining a group may take: longer than a killed member's session lasts."""
START_ATTEMPTS = 3

log = get_logger("batches")


def raw_broker(bootstrap_servers: str) -> KafkaBroker:
    """A broker whose subscribers are handed batches of records, and which makes no topics."""
    return KafkaBroker(
        bootstrap_servers,
        request_timeout_ms=10_000,
        metadata_max_age_ms=5_000,
        allow_auto_create_topics=False,
        apply_types=False,
        graceful_timeout=1,
        logger=None,
        parser=_leave_headers_alone,
        decoder=_records,
    )


async def join(broker: KafkaBroker) -> None:
    """Start a broker, that is join its groups. A join that hangs is begun again.

    Raises `TimeoutError` where a group never answers: the supervisor starts a new process.
    """
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            await asyncio.wait_for(broker.start(), START_SECONDS)
        except TimeoutError:
            log.warning("batches.join_hangs", attempt=attempt, seconds=START_SECONDS)
            await broker.stop()
            if attempt == START_ATTEMPTS:
                raise
        else:
            return


async def _leave_headers_alone(records: Any) -> KafkaMessage:
    """Headers stay as they came: reading all as text costs time, and a binary one would raise."""
    return KafkaMessage(body=b"", raw_message=records, consumer=FAKE_CONSUMER)


async def _records(message: KafkaMessage) -> Any:
    return message.raw_message
