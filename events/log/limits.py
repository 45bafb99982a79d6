"""What the log takes at all: one event it could not carry would stop a relay for everybody."""

import re
from datetime import UTC, datetime, timedelta

from events import codec
from events.event import Event
from events.log.errors import LimitExceeded

MAX_EVENT_BYTES = 256 * 1024
CLOCK_TOLERANCE = timedelta(minutes=2)
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def sealed(event: Event) -> bytes:
    """The payload of `event`, checked. Raises `LimitExceeded`."""
    try:
        payload = codec.seal(event)
    except ValueError as error:
        raise LimitExceeded(f"{event.name}: a text is not valid Unicode: {error}") from error
    if len(payload) > MAX_EVENT_BYTES:
        raise LimitExceeded(
            f"{event.name}: {len(payload):,} bytes; an event is at most {MAX_EVENT_BYTES:,}"
        )
    if b"\\u0000" in payload and _NUL.search(payload):
        raise LimitExceeded(f"{event.name}: U+0000 in a text cannot be stored: remove it")
    return payload


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
