"""Sampled events of a consumer, between the arrival of their records and their rows."""

import time
from collections.abc import Sequence
from uuid import UUID

from events.bus.verify import ConsumedRecord
from events.bus.wire import ForeignRecord, read_record
from events.record import RecordedEvent
from events.trace_context import TRACEPARENT, TraceContext, read_traceparent
from services.runtime.tracing import begin_child, follow_trace, is_recording, record_span

MAX_EVENTS = 2_000
"""Sampled events that are remembered; with more, the oldest have no span."""
_SAMPLED_END = b"-01"


class TracedEvents:
    """The traces of events whose rows are not written yet.

    A record is not believed because of its trace, and its digest does not prove the trace: it is
    a text of anybody. All that it can do is to add spans to a trace.
    """

    def __init__(self, log_id: UUID) -> None:
        self._log_id = log_id
        self._waiting: dict[UUID, tuple[TraceContext, int]] = {}
        """Event id → the span that appended the event, and when its record arrived."""

    def add(self, records: Sequence[ConsumedRecord]) -> None:
        """Remember the sampled events of records that have arrived."""
        if not is_recording():
            return
        now = time.time_ns()
        for record in records:
            for name, value in record.headers:
                if name == TRACEPARENT and value.endswith(_SAMPLED_END):
                    self._add(record, value, now)
                    break

    def _add(self, record: ConsumedRecord, traceparent: bytes, now: int) -> None:
        appended = read_traceparent(traceparent)
        if appended is None:
            return
        try:
            event_id = UUID(read_record(record.value, self._log_id).id)
        except (ForeignRecord, ValueError):
            return
        self._waiting[event_id] = (appended, now)
        if len(self._waiting) > MAX_EVENTS:
            del self._waiting[next(iter(self._waiting))]

    def record_written(self, recorded_events: Sequence[RecordedEvent], began_at: int) -> None:
        """Record the spans of events whose rows were written by a transaction since `began_at`."""
        if not self._waiting:
            return
        written_at = time.time_ns()
        for recorded in recorded_events:
            found = self._waiting.pop(recorded.id, None)
            if found is None:
                continue
            appended, arrived_at = found
            if trace := follow_trace(appended):
                attributes: dict[str, str | int] = {
                    "crm.event.id": str(recorded.id), "crm.event.type": recorded.event.name,
                    "crm.position": recorded.position, "crm.shard": recorded.shard,
                }  # fmt: skip
                record_span(
                    f"project {recorded.event.name}", trace, parent=appended, kind="consumer",
                    began_at=arrived_at, ended_at=written_at, attributes=attributes,
                )  # fmt: skip
                record_span(
                    "write rows", begin_child(trace), parent=trace, began_at=began_at,
                    ended_at=written_at, attributes={"crm.events": len(recorded_events)},
                )  # fmt: skip
