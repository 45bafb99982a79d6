"""Cursors of lists that are ordered by an instant and an id."""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from uuid import UUID

import orjson

from services.api.problems import Problem

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def encode_cursor(at: datetime, row_id: UUID) -> str:
    """Return the sort key of a row as text that is opaque to clients."""
    content = orjson.dumps([(at - _EPOCH) // _MICROSECOND, str(row_id)])
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def decode_cursor(text: str) -> tuple[datetime, UUID]:
    """Return the sort key of a cursor. Raise 400 for a malformed one."""
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        microseconds, row_id = orjson.loads(content)
        return _EPOCH + microseconds * _MICROSECOND, UUID(row_id)
    except (binascii.Error, ValueError, TypeError, AttributeError, OverflowError):
        raise Problem(
            400, "malformed_cursor",
            f"cursor {text[:100]!r} is malformed: send nextCursor of a response unchanged",
        ) from None  # fmt: skip
