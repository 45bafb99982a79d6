"""Traces in the form of OpenTelemetry: who handled a request or an event, and for how long.

Every request and every intake record has a trace id, which the log stores with its events. Spans
are recorded only for sampled traces, and only if the standard variable
`OTEL_EXPORTER_OTLP_ENDPOINT` names a collector. Without it, nothing of the SDK is imported.

A span is created when it has ended, because batches learn of its events late. The sampling is
decided once, where a trace begins; the other processes follow the decision in the trace context.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from events.trace_context import CURRENT_TRACE, SPAN_BYTES, TRACE_BYTES, TraceContext
from services.runtime.logging import get_logger

ATTRIBUTES = frozenset({
    "crm.command", "crm.event.id", "crm.event.type", "crm.events", "crm.intake.status",
    "crm.partition", "crm.policy", "crm.position", "crm.provider", "crm.shard", "crm.topic",
    "error.type", "http.request.method", "http.response.status_code", "http.route",
})  # fmt: skip
"""All attributes that a span can have. None has a value of a person, or a text that one wrote."""

AttributeValue = str | int
log = get_logger("tracing")


class SpanRecorder(Protocol):
    """The part of the process that samples traces and exports spans."""

    def samples(self, trace_id: bytes, parent: TraceContext | None) -> bool:
        """Return whether the spans of a trace are recorded in this process."""

    def record(
        self, name: str, trace: TraceContext, parent: bytes, began_at: int, ended_at: int,
        kind: str, attributes: Mapping[str, AttributeValue], error: str | None,
    ) -> None:  # fmt: skip
        """Hand over an ended span to the exporter."""

    def close(self) -> None:
        """Export what is left."""


_recorder: SpanRecorder | None = None


def configure_tracing(process: str) -> None:
    """Record spans from now on if the standard variables ask for it; see `docs/observability`."""
    if not is_configured(os.environ):
        return
    try:
        from services.runtime.span_recorder import OtlpRecorder
    except ImportError as error:
        log.error("tracing.not_installed", error=error, install="pip install leasing-crm[tracing]")
        return
    use_recorder(OtlpRecorder(process))
    log.info("tracing.started")


def is_configured(environment: Mapping[str, str]) -> bool:
    """Return whether the standard variables name a collector, and do not switch traces off."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() != "otlp":
        return False
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return any(environment.get(name, "").strip() for name in names)


def use_recorder(recorder: SpanRecorder | None) -> None:
    """Record spans with this recorder; None: record none."""
    global _recorder
    _recorder = recorder


def is_recording() -> bool:
    return _recorder is not None


def begin_trace(
    sent: TraceContext | None = None, *, new_id: bytes = b"", is_trusted: bool = True
) -> TraceContext:
    """Return the trace of a request or record, with the trace id that its client sent.

    Without one, the trace id is `new_id`, or a random one. Clients that are not trusted, such as
    browsers of visitors, do not decide what is recorded.
    """
    trace_id = (new_id or os.urandom(TRACE_BYTES)) if sent is None else sent.trace_id
    if _recorder is None:
        return sent if sent is not None and is_trusted else TraceContext(trace_id)
    # A sampler can decide by the trace id, which a client chose: take another one.
    decided_by = trace_id if is_trusted else os.urandom(TRACE_BYTES)
    is_sampled = _recorder.samples(decided_by, sent if is_trusted else None)
    return TraceContext(trace_id, os.urandom(SPAN_BYTES) if is_sampled else b"")


def begin_child(parent: TraceContext) -> TraceContext:
    """Return the context of a span within another one; the same context if nothing is recorded."""
    if _recorder is None or not parent.span_id:
        return parent
    return TraceContext(parent.trace_id, os.urandom(SPAN_BYTES))


def follow_trace(parent: TraceContext) -> TraceContext | None:
    """Return the context of a span that continues a trace of another process; None: record none."""
    if _recorder is None or not parent.span_id or not _recorder.samples(parent.trace_id, parent):
        return None
    return TraceContext(parent.trace_id, os.urandom(SPAN_BYTES))


def record_span(
    name: str,
    trace: TraceContext,
    *,
    parent: TraceContext | None,
    began_at: int,
    ended_at: int | None = None,
    kind: str = "internal",
    error: str | None = None,
    attributes: Mapping[str, AttributeValue],
) -> None:
    """Record a span that has ended, if its trace is sampled. Times are nanoseconds since 1970.

    `kind`: as in OpenTelemetry: server, producer, consumer or internal. `error` is a type or a
    code, never a text that may quote values.
    """
    if _recorder is None or not trace.span_id:
        return
    if unknown := attributes.keys() - ATTRIBUTES:
        raise ValueError(f"attributes {sorted(unknown)} are not in ATTRIBUTES: add them there")
    parent_id = parent.span_id if parent else b""
    _recorder.record(
        name, trace, parent_id, began_at, ended_at or time.time_ns(), kind, attributes, error
    )


@contextmanager
def span(name: str, **attributes: AttributeValue) -> Iterator[None]:
    """Record a span of the current trace around a block; what the block does is within it.

    Names of attributes have underscores here: `event_type` is `crm.event.type`.
    """
    parent = CURRENT_TRACE.get()
    if _recorder is None or parent is None or not parent.span_id:
        yield
        return
    named = {f"crm.{key.replace('_', '.')}": value for key, value in attributes.items()}
    trace = begin_child(parent)
    token = CURRENT_TRACE.set(trace)
    began_at, error = time.time_ns(), None
    try:
        yield
    except Exception as raised:
        error = type(raised).__name__
        raise
    finally:
        CURRENT_TRACE.reset(token)
        record_span(name, trace, parent=parent, began_at=began_at, error=error, attributes=named)


@contextmanager
def in_trace(trace: TraceContext | None) -> Iterator[None]:
    """Make a trace the current one during a block: of the events, spans and log lines in it."""
    token = CURRENT_TRACE.set(trace)
    try:
        yield
    finally:
        CURRENT_TRACE.reset(token)
