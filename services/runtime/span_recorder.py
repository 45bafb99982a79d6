"""The recorder of spans: the SDK of OpenTelemetry with its exporter for OTLP over HTTP."""

import os
from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from events.trace_context import TraceContext

_KINDS = {kind.name.lower(): kind for kind in SpanKind}
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class _GivenIds(IdGenerator):  # type: ignore[misc]
    """The ids of the next span: chosen when it began. The span is created at its end."""

    def __init__(self) -> None:
        self.trace_id, self.span_id = 0, 0

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        return self.span_id


class OtlpRecorder:
    """Exports spans in batches, from a thread, as the standard variables say.

    If the collector cannot keep up, the SDK drops spans. Nothing waits for it.
    """

    def __init__(self, process: str) -> None:
        attributes = {"crm.process": process}
        named = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
        if not os.environ.get("OTEL_SERVICE_NAME") and f"{SERVICE_NAME}=" not in named:
            attributes[SERVICE_NAME] = f"crm-{process}"
        # This one exists only for its sampler, which OTEL_TRACES_SAMPLER chooses.
        self._sampler = TracerProvider(shutdown_on_exit=False).sampler
        self._ids = _GivenIds()
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=Resource.create(attributes), id_generator=self._ids
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("leasing-crm")

    def samples(self, trace_id: bytes, parent: TraceContext | None) -> bool:
        """Return what the sampler of the standard variables decides."""
        context = None
        if parent is not None:
            # A parent without a span has to have one for the SDK: any.
            flags = _SAMPLED if parent.span_id else TraceFlags()
            context = _context_of(parent.trace_id, parent.span_id or b"\x01", flags)
        decided = self._sampler.should_sample(context, int.from_bytes(trace_id), "")
        return decided.decision is Decision.RECORD_AND_SAMPLE

    def record(
        self, name: str, trace: TraceContext, parent: bytes, began_at: int, ended_at: int,
        kind: str, attributes: Mapping[str, str | int], error: str | None,
    ) -> None:  # fmt: skip
        """Hand over an ended span to the exporter's queue."""
        self._ids.trace_id = int.from_bytes(trace.trace_id)
        self._ids.span_id = int.from_bytes(trace.span_id)
        span = self._tracer.start_span(
            name, _context_of(trace.trace_id, parent, _SAMPLED) if parent else None,
            kind=_KINDS[kind], attributes=attributes, start_time=began_at,
        )  # fmt: skip
        if error is not None:
            span.set_attribute("error.type", error)
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended_at)

    def close(self) -> None:
        """Export what is left, and stop."""
        self._provider.shutdown()


def _context_of(trace_id: bytes, span_id: bytes, flags: TraceFlags) -> Context:
    return set_span_in_context(NonRecordingSpan(SpanContext(
        int.from_bytes(trace_id), int.from_bytes(span_id), is_remote=True, trace_flags=flags
    )))  # fmt: skip
