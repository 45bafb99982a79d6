"""What the log takes at all: one event it could not carry would stop a relay for everybody."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from events import codec
from events.event import Event
from events.log.errors import LimitExceeded

MAX_EVENT_BYTES = 256 * 1024
CLOCK_TOLERANCE = timedelta(minutes=2)
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)

_EXPONENT = re.compile(rb"[:,\[]-?[0-9.]+[eE]")
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def sealed(event: Event) -> bytes:
    """The payload of `event`, checked. Raises `LimitExceeded`."""
    try:
        payload = codec.seal(event)
    except ValueError as error:
        raise LimitExceeded(f"{event.name}: a text is not valid Unicode: {error}") from error
    size = _written_out(payload)
    if size > MAX_EVENT_BYTES:
        raise LimitExceeded(
            f"{event.name}: {size:,} bytes; an event is at most {MAX_EVENT_BYTES:,}"
        )
    if b"\\u0000" in payload and _NUL.search(payload):
        raise LimitExceeded(f"{event.name}: U+0000 in a text cannot be stored: remove it")
    return payload


def _written_out(payload: bytes) -> int:
    """Its bytes as PostgreSQL gives them out: 1e300 comes back as a one and three hundred zeros."""
    if len(payload) > MAX_EVENT_BYTES or not _EXPONENT.search(payload):
        return len(payload)
    longer = 0

    def count(number: str) -> float:
        nonlocal longer
        longer += len(f"{Decimal(number):f}") - len(number)
        return 0.0

    json.loads(payload, parse_float=count)
    return len(payload) + longer


def check_instant(occurred_at: datetime, now: datetime) -> None:
    """Refuse what has not happened yet, beyond what two clocks may differ by."""
    if occurred_at.tzinfo is None:
        raise LimitExceeded("occurred_at has no time zone: send an instant, for example with Z")
    if occurred_at > now + CLOCK_TOLERANCE:
        raise LimitExceeded(
            f"occurred_at {occurred_at.isoformat()} lies in the future: an event has happened"
        )
    if occurred_at < EARLIEST:
        raise LimitExceeded(f"occurred_at {occurred_at.isoformat()} is before {EARLIEST.year}")
