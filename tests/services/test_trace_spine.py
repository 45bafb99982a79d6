"""A booked tour as one trace: HTTP request → log → relay → Kafka → projector → row → collector.

The processes run in the test with the exporter of production; the collector is a real HTTP server.
"""

import os
from collections.abc import AsyncIterator, Iterator
from functools import partial
from uuid import UUID

import asyncpg
import pytest

from events.log.shard import SHARDS
from events.trace_context import TraceContext
from projections.catalog import LIVE
from services.runtime import tracing
from services.runtime.settings import Settings
from services.runtime.span_recorder import OtlpRecorder
from tests.conftest import until
from tests.races.processes import assert_live_equals_rebuilt
from tests.services.api.site import NEXT_MONTH, SHORT_TIMES, Site, open_stack_site
from tests.services.otlp_collector import CollectedSpan, Collector, run_collector

pytestmark = pytest.mark.stack
CLIENT_TRACE, CLIENT_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CLIENT_TRACEPARENT = f"00-{CLIENT_TRACE}-{CLIENT_SPAN}-01"
ADA = {"firstName": "Zebulona", "email": "zebulona@zeugma.example", "phone": "+12125550177"}
BOOKING = {"tourDate": NEXT_MONTH.isoformat(), "tourTime": "14:00"}
NOTE = "prefers a quiet flat"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Run a collector, and let this process record all spans as in production."""
    with run_collector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        recorder = OtlpRecorder("test")
        tracing.use_recorder(recorder)
        try:
            yield running
        finally:
            tracing.use_recorder(None)
            recorder.close()


@pytest.fixture
async def site(
    collector: Collector, kafka_settings: Settings, pool: asyncpg.Pool
) -> AsyncIterator[Site]:
    """Run an API on a socket, a relay and a projector."""
    settings = kafka_settings.model_copy(update=SHORT_TIMES)
    async with open_stack_site(settings, pool) as running:
        await until(partial(owns_all_shards, pool))
        yield running


async def owns_all_shards(pool: asyncpg.Pool) -> bool:
    """Return whether the projector reads the bus: before, it fills gaps from the log."""
    owned = await pool.fetchval(
        "SELECT count(*) FROM crm.checkpoints WHERE projection_group = $1 AND owner LIKE $2",
        LIVE.name,
        f"%:{os.getpid()}:%",
    )
    return bool(owned == SHARDS)


async def collect(collector: Collector, trace_id: str, *names: str) -> list[CollectedSpan]:
    """Wait until the spans with these names of a trace have arrived; return all of the trace."""

    def has_all() -> bool:
        return {*names} <= {span.name for span in collector.of_trace(trace_id)}

    await until(has_all)
    return collector.of_trace(trace_id)


async def find_event(site: Site, event_type: str) -> tuple[UUID, TraceContext]:
    """Return the id and the trace of the newest event of a type."""
    row = await site.world.pool.fetchrow(
        "SELECT id, trace_context FROM crm_events WHERE event_type = $1 ORDER BY seq DESC LIMIT 1",
        event_type,
    )
    assert row is not None
    return row["id"], TraceContext.of_stored(row["trace_context"])


async def test_a_booked_tour_is_one_trace_from_the_request_to_the_row(
    site: Site, collector: Collector, owner_pool: asyncpg.Pool
) -> None:
    lead = await site.create_lead(**ADA)
    response = await site.client.post(
        f"/api/leads/{lead}/tours",
        json={**BOOKING, "notes": NOTE},
        headers=site.console_headers(more={"traceparent": CLIENT_TRACEPARENT}),
    )
    assert response.status_code == 201, response.text
    await site.project()
    spans = await collect(collector, CLIENT_TRACE, "project tour.scheduled", "write rows")

    event_id, trace = await find_event(site, "tour.scheduled")
    of_tour = [s for s in spans if s.attributes.get("crm.event.id") in (None, str(event_id))]
    by_name = {span.name: span for span in of_tour}
    request, append = by_name["POST /api/leads/{lead_id}/tours"], by_name["append"]
    relay, project = by_name["relay tour.scheduled"], by_name["project tour.scheduled"]
    assert request.parent_id == CLIENT_SPAN
    assert append.parent_id == request.span_id
    assert (trace.trace_id.hex(), trace.span_id.hex()) == (CLIENT_TRACE, append.span_id)
    assert {relay.parent_id, project.parent_id} == {append.span_id}
    assert project.span_id in {span.parent_id for span in of_tour if span.name == "write rows"}
    assert request.began_at <= append.began_at < append.ended_at
    assert append.began_at < relay.ended_at <= project.ended_at + 10**9
    assert request.attributes["http.response.status_code"] == 201
    assert not any(span.has_failed for span in spans)

    # Nothing of a person has left the process, and replay needs no trace.
    sent = b"".join(collector.bodies)
    for text in (*ADA.values(), NOTE, site.key, str(lead)):
        assert text.encode() not in sent, text
    assert {name for span in collector.spans for name in span.attributes} <= tracing.ATTRIBUTES
    count = len(collector.spans)
    await assert_live_equals_rebuilt(owner_pool)
    assert not [s for s in collector.spans[count:] if s.name.startswith(("project", "write"))]


async def test_a_visitor_does_not_decide_what_is_recorded(
    site: Site, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    quiet = OtlpRecorder("test")
    tracing.use_recorder(quiet)
    response = await site.client.post(
        "/api/lumaleasing/tours",
        json={**BOOKING, "leadInfo": ADA},
        headers=site.widget_headers(traceparent=CLIENT_TRACEPARENT),
    )
    assert response.status_code == 201, response.text
    _, trace = await find_event(site, "tour.scheduled")
    assert trace == TraceContext(bytes.fromhex(CLIENT_TRACE))
    quiet.close()
    assert not collector.of_trace(CLIENT_TRACE)
