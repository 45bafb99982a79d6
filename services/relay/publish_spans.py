"""Spans of the relay: one for each sampled event of a batch that the bus has acknowledged."""

import time
from collections.abc import Iterable
from typing import Any

from events.trace_context import TRACE_BYTES, TraceContext
from services.runtime.tracing import follow_trace, is_recording, record_span


def record_spans(rows: Iterable[Any], topic: str, began_at: int) -> None:
    """Record how long it took to publish each sampled event. Others cost one comparison."""
    if not is_recording():
        return
    ended_at = time.time_ns()
    for row in rows:
        stored = row["trace_context"]
        if stored is None or len(stored) == TRACE_BYTES:
            continue
        appended = TraceContext.of_stored(stored)
        if trace := follow_trace(appended):
            record_span(
                f"relay {row['event_type']}", trace, parent=appended, began_at=began_at,
                ended_at=ended_at, kind="producer",
                attributes={
                    "crm.event.id": str(row["id"]), "crm.event.type": row["event_type"],
                    "crm.position": row["position"], "crm.shard": row["shard"], "crm.topic": topic,
                },
            )  # fmt: skip
