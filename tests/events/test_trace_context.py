"""The trace context: what a client sends is read strictly, and what is stored is written back."""

import pytest

from events.trace_context import TraceContext, read_traceparent, write_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACE_ID, SPAN_ID = bytes.fromhex(TRACE), bytes.fromhex(SPAN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"00-{TRACE}-{SPAN}-01", TraceContext(TRACE_ID, SPAN_ID)),
        (f"00-{TRACE}-{SPAN}-00", TraceContext(TRACE_ID)),
        (f" 00-{TRACE}-{SPAN}-03 ", TraceContext(TRACE_ID, SPAN_ID)),
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", TraceContext(TRACE_ID, SPAN_ID)),
    ],
)
def test_a_valid_traceparent_is_read(text: str, expected: TraceContext) -> None:
    assert read_traceparent(text.encode()) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "00", f"00-{TRACE}-{SPAN}", f"00-{TRACE}-{SPAN}-01-more", f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-1", f"00-{TRACE[1:]}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01\n00",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 1000}", "<script>", "\x00" * 55,
    ],
)  # fmt: skip
def test_an_invalid_traceparent_is_ignored(text: str) -> None:
    assert read_traceparent(text.encode()) is None


def test_no_traceparent_is_none() -> None:
    assert read_traceparent(None) is None
    assert read_traceparent("00-ü".encode()) is None
    assert read_traceparent(b"\xff\xfe") is None


@pytest.mark.parametrize(
    "trace", [TraceContext(TRACE_ID, SPAN_ID), TraceContext(TRACE_ID), TraceContext(b"\x01" * 16)]
)
def test_a_stored_trace_is_written_and_read_again(trace: TraceContext) -> None:
    assert read_traceparent(write_traceparent(trace.stored)) == trace
    assert TraceContext.of_stored(trace.stored) == trace


def test_a_trace_id_that_ends_with_zeros_still_gives_a_valid_traceparent() -> None:
    trace = TraceContext(b"\x01" * 8 + bytes(8))
    assert read_traceparent(write_traceparent(trace.stored)) == trace
