"""Spans of the intake: one for each sampled record."""

from collections.abc import Iterable

from services.intake.outcome import IntakeItem, IntakeStatus
from services.runtime.tracing import is_recording, record_span


def record_spans(items: Iterable[IntakeItem], began_at: int) -> None:
    """Record how long the admission of each sampled record took, with its status."""
    if not is_recording():
        return
    for item in items:
        if item.sent is None or item.outcome is None:
            continue
        record, _ = item.sent
        trace = record.cause.trace
        if trace is None or not trace.span_id:
            continue
        status = item.outcome.status
        attributes = {"crm.event.type": record.event.name, "crm.intake.status": status.value}
        if item.outcome.event_id is not None:
            attributes["crm.event.id"] = str(item.outcome.event_id)
        record_span(
            f"intake {record.event.name}", trace, parent=record.sender, began_at=began_at,
            kind="consumer", attributes=attributes,
            error=item.outcome.reason if status is IntakeStatus.DEAD else None,
        )  # fmt: skip
