"""A collector of OpenTelemetry in memory: a small HTTP server that accepts OTLP in protobuf."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True)
class CollectedSpan:
    """A span as it arrived. Ids are hexadecimal digits, times nanoseconds."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    service: str
    attributes: dict[str, Any]
    began_at: int
    ended_at: int
    has_failed: bool


@dataclass
class Collector:
    """The spans that arrived, and the raw bodies of the requests."""

    url: str
    spans: list[CollectedSpan] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        """Add the spans of a request."""
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {item.key: item.value.string_value for item in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(CollectedSpan(
                        span.name, span.trace_id.hex(), span.span_id.hex(),
                        span.parent_span_id.hex(), names["service.name"],
                        {
                            item.key: item.value.string_value or item.value.int_value
                            for item in span.attributes
                        },
                        span.start_time_unix_nano, span.end_time_unix_nano, span.status.code == 2,
                    ))  # fmt: skip

    def of_trace(self, trace_id: str) -> list[CollectedSpan]:
        """Return the spans of a trace in the order in which they began."""
        spans = [span for span in self.spans if span.trace_id == trace_id]
        return sorted(spans, key=lambda span: (span.began_at, -span.ended_at))


@contextmanager
def run_collector() -> Iterator[Collector]:
    """Run a collector on a free port of this machine during a block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
