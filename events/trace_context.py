"""The trace of an event in the form of W3C Trace Context: one trace id per request or record."""

import re
from binascii import hexlify
from contextvars import ContextVar
from typing import NamedTuple, Self

TRACE_BYTES, SPAN_BYTES = 16, 8
TRACEPARENT = "traceparent"
"""The name of the HTTP header and of the Kafka header."""
_TRACEPARENT = re.compile(
    rb"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-"
    rb"(?P<flags>[0-9a-f]{2})(?P<more>-.*)?",
    re.DOTALL,
)
_SAMPLED = 1
_NO_TRACE, _NO_SPAN = bytes(TRACE_BYTES), bytes(SPAN_BYTES)
_TRACE_DIGITS = 2 * TRACE_BYTES
_NO_DIGITS, _ANY_DIGITS = b"0" * 16, b"0" * 15 + b"1"
MAX_BYTES = 512
"""The longest `traceparent` that is read; one of the present version has 55 bytes."""


class TraceContext(NamedTuple):
    """A trace id, and the id of the span in which something happens; empty if not recorded."""

    trace_id: bytes
    span_id: bytes = b""

    @property
    def stored(self) -> bytes:
        """Return the bytes that the log stores: the trace id, and the span id if there is one."""
        return self.trace_id + self.span_id

    @classmethod
    def of_stored(cls, stored: bytes) -> Self:
        """Return the trace context of a row of the log."""
        return cls(stored[:TRACE_BYTES], stored[TRACE_BYTES:])


CURRENT_TRACE: ContextVar[TraceContext | None] = ContextVar("CURRENT_TRACE", default=None)
"""The trace of the request or record that this task handles."""


def read_traceparent(text: bytes | None) -> TraceContext | None:
    """Return the trace context that a client sent; None if there is none or it is not valid.

    A client that records nothing has a trace id and no span that could be shown.
    """
    if text is None or len(text) > MAX_BYTES:
        return None
    match = _TRACEPARENT.fullmatch(text.strip(b" \t"))
    if match is None or match["version"] == b"ff":
        return None
    if match["version"] == b"00" and match["more"] is not None:
        return None
    trace_id, span_id = (bytes.fromhex(match[name].decode()) for name in ("trace", "span"))
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    is_sampled = int(match["flags"], 16) & _SAMPLED
    return TraceContext(trace_id, span_id if is_sampled else b"")


def write_traceparent(stored: bytes) -> bytes:
    """Return the `traceparent` of a stored trace context: the same context gives the same bytes.

    The standard demands the id of a span, also where none is recorded. Then it is made of the
    trace id.
    """
    digits = hexlify(stored)
    trace_id, span_id = digits[:_TRACE_DIGITS], digits[_TRACE_DIGITS:]
    if span_id:
        return b"00-%b-%b-01" % (trace_id, span_id)
    span_id = trace_id[_TRACE_DIGITS // 2 :]
    return b"00-%b-%b-00" % (trace_id, span_id if span_id != _NO_DIGITS else _ANY_DIGITS)
