"""The preview of an import: leads as they would be stored, with what would be in their history."""

from typing import Any

from events.record import NewEvent, RecordedEvent
from projections import leads
from services.application.rows import build_row
from services.lead_import.lines import LeadLine

HIDDEN_COLUMNS = frozenset({"org_id", "property_id", "merged_into"})


def preview_lead(line: LeadLine) -> dict[str, Any]:
    """Return the line of the file, the row of the lead without empty columns, and its history."""
    recorded = [_record(number, new) for number, new in enumerate(line.new_events, start=1)]
    of_lead = [entry for entry in recorded if entry.entity_type == "lead"]
    row = build_row(leads.projection, line.lead.lead_id, of_lead) or {}
    return {
        "line": line.record.first_line,
        "lead": {
            name: value
            for name, value in row.items()
            if value is not None and name not in HIDDEN_COLUMNS
        },
        "metadata": line.lead.metadata,
        "history": [
            {"at": new.occurred_at, "event": new.event.name, "what": _describe(new)}
            for new in line.new_events[1:]
        ],
    }


def _describe(new: NewEvent) -> str:
    """Return the fields of an event that say what happened."""
    hidden = {"lead_id", new.event.entity, "metadata", "place", "at", "score_weight"}
    fields = new.event.model_dump(mode="json", exclude_unset=True, exclude=hidden)
    return ", ".join(f"{name}: {value}" for name, value in fields.items())


def _record(number: int, new: NewEvent) -> RecordedEvent:
    """Return a new event as it would be in the log, but for its positions."""
    stream = new.stream
    return RecordedEvent(
        new.id, new.event, stream.entity_type, stream.entity_id, number, 0, 0, 0, new.org_id,
        new.property_id, new.event.lead, new.occurred_at, new.occurred_at, new.cause.actor,
        new.cause.origin, None, None,
    )  # fmt: skip
