"""Kafka consumers through FastStream: batches of raw records, and a bounded group join."""

import asyncio
from typing import Any

from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from events.bus.brokers import security_of
from events.bus.group_leave import leave_first_generations
from events.bus.header_names import tolerate_header_names
from services.runtime.logging import get_logger

START_SECONDS = 20.0
"""Limit for joining a group; it is longer than the session of a killed member lasts."""
START_ATTEMPTS = 3

log = get_logger("batches")


def raw_broker(bootstrap_servers: str) -> KafkaBroker:
    """Return a broker whose subscribers get batches of raw records. It creates no topics."""
    tolerate_header_names()
    leave_first_generations()
    return KafkaBroker(
        str(bootstrap_servers),
        security=_security(bootstrap_servers),
        request_timeout_ms=10_000,
        metadata_max_age_ms=5_000,
        allow_auto_create_topics=False,
        apply_types=False,
        graceful_timeout=1,
        logger=None,
        parser=_wrap_records,
        decoder=_unwrap_records,
    )


def _security(bootstrap_servers: str) -> BaseSecurity | None:
    """Return the security of the brokers in the form of FastStream."""
    security = security_of(bootstrap_servers)
    if security is None:
        return None
    context = security.tls_context() if security.has_tls else None
    if not security.has_login:
        return BaseSecurity(ssl_context=context, use_ssl=security.has_tls)
    login = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
    return login[security.mechanism](
        security.username or "", security.password or "", ssl_context=context,
        use_ssl=security.has_tls,
    )  # fmt: skip


async def join(broker: KafkaBroker) -> None:
    """Start a broker, which joins its groups. A join that hangs is started again.

    Raise `TimeoutError` if a group never answers; the supervisor then starts a new process.
    """
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            async with asyncio.timeout(START_SECONDS):
                await broker.start()
        except TimeoutError:
            log.warning("batches.join_hangs", attempt=attempt, seconds=START_SECONDS)
            await broker.stop()
            if attempt == START_ATTEMPTS:
                raise
        else:
            return


async def _wrap_records(records: Any) -> KafkaMessage:
    """Wrap records without decoding their headers: that costs time, and a binary header raises."""
    return KafkaMessage(body=b"", raw_message=records, consumer=FAKE_CONSUMER)


async def _unwrap_records(message: KafkaMessage) -> Any:
    return message.raw_message
