"""The limits of events. Without them one event could stop the relay for all properties."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from events import codec
from events.event import Event
from events.log.errors import LimitExceeded

MAX_EVENT_BYTES = 256 * 1024
MAX_NUMBER_GROWTH = 64
"""A number as PostgreSQL prints it has at most so many times the bytes: 1e308 has 309 digits."""
_SMALL_BYTES = MAX_EVENT_BYTES // MAX_NUMBER_GROWTH
"""A payload of so many bytes is within the limit, whatever numbers it has."""
CLOCK_TOLERANCE = timedelta(minutes=2)
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)

_EXPONENT = re.compile(rb"[:,\[]-?[0-9.]+[eE]")
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def checked_payload(event: Event) -> bytes:
    """Return the clear payload of `event`. Raises `LimitExceeded`.

    The stored one is longer: base64 makes four characters of three bytes. The relay's own limit
    leaves room for that.
    """
    try:
        payload = codec.serialize(event)
    except ValueError as error:
        raise LimitExceeded(f"{event.name}: a text is not valid Unicode: {error}") from error
    if len(payload) > _SMALL_BYTES and (size := _stored_size(payload)) > MAX_EVENT_BYTES:
        raise LimitExceeded(
            f"{event.name}: the event has {size:,} bytes, the limit is {MAX_EVENT_BYTES:,}"
        )
    if b"\\u0000" in payload and _NUL.search(payload):
        raise LimitExceeded(f"{event.name}: U+0000 in a text cannot be stored: remove it")
    return payload


def _stored_size(payload: bytes) -> int:
    """Return the size as PostgreSQL prints it: 1e300 becomes a one and three hundred zeros."""
    if len(payload) > MAX_EVENT_BYTES or not _EXPONENT.search(payload):
        return len(payload)
    added_bytes = 0

    def count(number: str) -> float:
        nonlocal added_bytes
        added_bytes += len(f"{Decimal(number):f}") - len(number)
        return 0.0

    json.loads(payload, parse_float=count)
    return len(payload) + added_bytes


def check_instant(occurred_at: datetime, now: datetime) -> None:
    """Raise `LimitExceeded` for an instant beyond the clock tolerance or before `EARLIEST`."""
    if occurred_at.tzinfo is not None and EARLIEST <= occurred_at <= now:
        return
    if occurred_at.tzinfo is None:
        raise LimitExceeded("occurred_at has no time zone: send an instant, for example with Z")
    if occurred_at > now + CLOCK_TOLERANCE:
        raise LimitExceeded(
            f"occurred_at {occurred_at.isoformat()} is in the future: send the time of the event"
        )
    if occurred_at < EARLIEST:
        raise LimitExceeded(
            f"occurred_at {occurred_at.isoformat()} is before {EARLIEST.year}: correct it"
        )
