"""Traces without a collector, the standard variables, and what a span may contain."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

import pytest

from events.trace_context import CURRENT_TRACE, TraceContext
from services.runtime import tracing
from services.runtime.logging import add_trace
from services.runtime.metrics import HTTP_SECONDS, current_exemplar, exposition
from services.runtime.span_recorder import OtlpRecorder
from tests.services.otlp_collector import Collector, run_collector

SENT = TraceContext(b"\x01" * 16, b"\x02" * 8)
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with run_collector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        yield running
        tracing.use_recorder(None)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "TRUE"}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_spans_are_recorded_only_if_the_variables_name_a_collector(
    environment: Mapping[str, str], expected: bool
) -> None:
    assert tracing.is_configured(environment) is expected


def test_without_a_collector_nothing_of_the_sdk_is_imported() -> None:
    code = (
        "import sys, services.runtime.tracing as t, services.relay.relay, services.api.app\n"
        "t.configure_tracing('api')\n"
        "assert not t.is_recording() and 'opentelemetry.sdk' not in sys.modules"
    )
    environment = {"PATH": "/usr/bin", "OTEL_TRACES_SAMPLER": "always_on"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=60)


def test_without_a_recorder_a_trace_has_an_id_and_no_span() -> None:
    first, second = tracing.begin_trace(), tracing.begin_trace()
    assert len(first.trace_id) == 16
    assert first.trace_id != second.trace_id
    assert first.span_id == b""
    assert tracing.begin_child(SENT) == SENT
    assert tracing.follow_trace(SENT) is None
    with tracing.in_trace(SENT), tracing.span("append", events=1):
        assert CURRENT_TRACE.get() == SENT


def test_a_client_that_is_not_trusted_gives_only_the_trace_id() -> None:
    assert tracing.begin_trace(SENT) == SENT
    assert tracing.begin_trace(SENT, is_trusted=False) == TraceContext(SENT.trace_id)


@pytest.mark.parametrize(
    ("sampler", "argument", "expected"),
    [("always_on", "", 400), ("always_off", "", 0), ("parentbased_traceidratio", "0.25", 100)],
)
def test_the_sampler_is_the_one_of_the_variables(
    collector: Collector, monkeypatch: pytest.MonkeyPatch,
    sampler: str, argument: str, expected: int,
) -> None:  # fmt: skip
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    recorder = OtlpRecorder("test")
    tracing.use_recorder(recorder)
    sampled = sum(bool(tracing.begin_trace().span_id) for _ in range(400))
    assert abs(sampled - expected) <= (60 if 0 < expected < 400 else 0)
    if sampler.startswith("parentbased"):
        assert tracing.begin_trace(SENT).span_id
        assert not tracing.begin_trace(TraceContext(SENT.trace_id)).span_id
        forced = (tracing.begin_trace(SENT, is_trusted=False) for _ in range(200))
        assert sum(bool(trace.span_id) for trace in forced) < 150
    recorder.close()


def test_spans_arrive_with_their_parents_and_the_name_of_the_process(collector: Collector) -> None:
    recorder = OtlpRecorder("relay")
    tracing.use_recorder(recorder)
    with pytest.raises(ValueError, match="secret"), tracing.in_trace(SENT):
        with tracing.span("append", events=2):
            raise ValueError("a secret text")
    recorder.close()
    [span] = collector.spans
    assert (span.trace_id, span.parent_id) == ("01" * 16, "02" * 8)
    assert (span.name, span.service, span.has_failed) == ("append", "crm-relay", True)
    assert span.attributes == {"crm.events": 2, "error.type": "ValueError"}
    assert span.began_at <= span.ended_at <= time.time_ns()
    assert b"secret text" not in b"".join(collector.bodies)


def test_a_service_name_of_the_variables_is_used(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "leasing")
    recorder = OtlpRecorder("relay")
    tracing.use_recorder(recorder)
    with tracing.in_trace(SENT), tracing.span("append"):
        pass
    recorder.close()
    assert [span.service for span in collector.spans] == ["leasing"]


def test_an_attribute_that_is_not_listed_is_refused(collector: Collector) -> None:
    recorder = OtlpRecorder("test")
    tracing.use_recorder(recorder)
    with pytest.raises(ValueError, match="email"):
        tracing.record_span(
            "append", SENT, parent=None, began_at=1, attributes={"email": "ada@example.com"}
        )
    recorder.close()
    assert collector.spans == []


def test_a_log_line_in_a_trace_has_its_ids() -> None:
    assert add_trace(None, "info", {"event": "x"}) == {"event": "x"}
    with tracing.in_trace(SENT):
        line = add_trace(None, "info", {"event": "x"})
    assert line == {"event": "x", "trace_id": "01" * 16, "span_id": "02" * 8}


def test_the_times_of_requests_have_exemplars_in_openmetrics() -> None:
    assert current_exemplar() is None
    with tracing.in_trace(SENT):
        HTTP_SECONDS.labels("GET", "/exemplar", 200).observe(0.2, current_exemplar())
    marked = f'# {{span_id="{"02" * 8}",trace_id="{"01" * 16}"}}'
    assert marked in exposition(is_open_metrics=True).decode()
    assert marked not in exposition().decode()
