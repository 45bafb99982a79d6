"""The one request of a claim, and the command with which its result is recorded."""

import asyncio
import logging
from datetime import datetime, timedelta

from events.log.error_text import describe_error
from services.adapters.provider import (
    Accepted,
    HandOverResult,
    HandOverUnknown,
    NotHandedOver,
    Rejected,
)
from services.application.hand_overs import ClaimedMessage
from services.deciders.hand_overs import RecordHandOver, RecordRejection, ReleaseClaim, Result
from services.runtime.logging import get_logger
from services.sender import metrics

RETRY_SECONDS = 30.0
"""Pause before the second attempt; it doubles with each one."""
MIN_RETRY, MAX_RETRY = timedelta(seconds=1), timedelta(hours=1)

log = get_logger("sender")


async def make_request(claimed: ClaimedMessage, seconds: float) -> HandOverResult | str:
    """Hand the message over with one request; return its result, or why it is unknown."""
    message, provider = claimed.message, claimed.provider
    result: HandOverResult | str
    level = logging.WARNING
    try:
        async with asyncio.timeout(seconds):
            result = await provider.hand_over(message)
    except (HandOverUnknown, TimeoutError) as error:
        result = str(error) or f"no answer within {seconds:g} s"
    except Exception as error:  # noqa: BLE001 — whatever failed, the provider may have the message
        result = describe_error(error)
        level = logging.ERROR
    if isinstance(result, str):
        log.log(level, "sender.no_result", delivery_id=str(message.delivery_id),
                provider=provider.name, error=result)  # fmt: skip
    name = "unknown" if isinstance(result, str) else type(result).__name__.lower()
    metrics.HANDED_OVER.labels(message.channel, provider.name, name).inc()
    return result


def command_of(claimed: ClaimedMessage, result: HandOverResult, now: datetime) -> Result:
    """Return the command that records a result."""
    message, provider = claimed.message, claimed.provider
    match result:
        case Accepted():
            return RecordHandOver(
                message.delivery_id, message.attempt, provider.name, provider.is_simulated,
                result.external_id, message.recipient, message.subject, message.body,
            )  # fmt: skip
        case Rejected():
            return RecordRejection(message.delivery_id, message.attempt, result.code, result.reason)
        case NotHandedOver():
            pause = backoff(message.attempt - 1)
            if result.retry_after_seconds is not None:
                pause = timedelta(seconds=min(result.retry_after_seconds, 3_600))
            return ReleaseClaim(
                message.delivery_id, message.attempt, result.code, result.reason,
                now + max(pause, MIN_RETRY),
            )  # fmt: skip


def backoff(attempts: int) -> timedelta:
    """Return the pause after a number of failed attempts."""
    return min(timedelta(seconds=RETRY_SECONDS * 2 ** min(attempts, 10)), MAX_RETRY)
