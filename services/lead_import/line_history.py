"""The history of a lead, read from one line: events with their labels and instants.

A file often says that something happened, or how often, but not when. Such events follow the
arrival of the lead at equal intervals.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid5

from events.activities import ActivityRecorded, ActivityType
from events.consents import ConsentGiven, ConsentWithdrawn, consent_id
from events.engagements import ENGAGEMENT_WEIGHTS, EngagementRecorded, EngagementType
from events.event import Event
from events.leads import LeadAssigned, LeadNoted, LeadStatus, LeadStatusChanged
from services.lead_import.line_values import InvalidLine, LineValues
from services.lead_import.mapping_columns import ConsentColumn, CountColumn

ACTIVITY_INTERVAL = timedelta(hours=7)
MAX_ACTIVITY_SPAN = timedelta(days=14)
"""A lead's actions follow its arrival every seven hours, or more often to fit into two weeks."""


class DatedEvent(NamedTuple):
    """An event of a lead; `label` tells it from the others of the line, `at` is None if unknown."""

    label: str
    event: Event
    at: datetime | None


def read_history(
    lead_id: UUID, values: LineValues, arrived: datetime
) -> tuple[LeadStatus, list[DatedEvent]]:
    """Return the status with which the lead arrived, and its history in order of the instants.

    Raise `InvalidLine`.
    """
    first, changes = _read_statuses(lead_id, values, arrived)
    events = [
        *_read_consents(lead_id, values, arrived),
        *changes,
        *_read_assignment(lead_id, values, arrived),
        *_read_notes(lead_id, values, arrived),
        *_read_counts(lead_id, values, arrived),
        *_read_actions(lead_id, values),
    ]
    undated = sum(event.at is None for event in events)
    spaces = (MAX_ACTIVITY_SPAN / max(1, undated), (values.target.until - arrived) / (undated + 1))
    step, number = min(ACTIVITY_INTERVAL, *spaces), 0
    dated: list[DatedEvent] = []
    for event in events:
        number += event.at is None
        dated.append(event if event.at is not None else event._replace(at=arrived + step * number))
    return first, sorted(dated, key=lambda event: event.at or arrived)


def _read_statuses(
    lead_id: UUID, values: LineValues, arrived: datetime
) -> tuple[LeadStatus, list[DatedEvent]]:
    """Return the first status, and the changes of it.

    The column of the status says what it is now, the mapping's `history` what it was before.
    """
    part = values.mapping.lead.status
    current, current_at = values.status(part), values.instant(part.at if part else None)
    reached = [
        (at, step.status)
        for step in values.mapping.history
        if (at := values.instant(step.at)) is not None
    ]
    if not reached and current_at is None:
        return current or LeadStatus.NEW, []
    reached.sort(key=lambda entry: entry[0])
    last_at, last = reached[-1] if reached else (arrived, None)
    # A lead never leaves `leased`: a column without a date that says otherwise was not updated.
    is_outdated = last is LeadStatus.LEASED and current_at is None
    if current is not None and current is not last and not is_outdated:
        reached.append((max(last_at, current_at or last_at), current))
    events: list[DatedEvent] = []
    before = LeadStatus.NEW
    for number, (at, status) in enumerate(reached, start=1):
        if status is before:
            continue
        if before is LeadStatus.LEASED:
            raise InvalidLine(f"the status history leaves leased for {status}: correct the dates")
        change = LeadStatusChanged(lead_id=lead_id, status=status, previous_status=before)
        events.append(DatedEvent(f"status/{number}", change, at))
        before = status
    return LeadStatus.NEW, events


def _read_assignment(lead_id: UUID, values: LineValues, arrived: datetime) -> Iterator[DatedEvent]:
    part = values.mapping.lead.assigned
    agent = values.agent(part)
    if part is not None and agent is not None:
        event = LeadAssigned(lead_id=lead_id, assigned_agent_id=agent)
        yield DatedEvent("assigned", event, values.instant(part.at) or arrived)


def _read_notes(lead_id: UUID, values: LineValues, arrived: datetime) -> Iterator[DatedEvent]:
    """Yield each different note; one without a date has the instant of the lead's arrival."""
    seen: set[str] = set()
    for part in values.mapping.note:
        for column in part.columns:
            text = values.raw(column)
            if text and text not in seen:
                seen.add(text)
                at = values.instant(part.at) or arrived
                note = LeadNoted(lead_id=lead_id, note=text)
                yield DatedEvent(f"note/{len(seen)}", note, at)


def _read_consents(lead_id: UUID, values: LineValues, arrived: datetime) -> Iterator[DatedEvent]:
    """Yield the consents of a line; a withdrawal wins if the line also gives the consent."""
    for part in values.mapping.consent:
        found = {values.raw(column): column for column in part.columns}
        kind = _consent_class(set(found), part)
        if kind is None:
            continue
        relevant = part.withdrawn if kind is ConsentWithdrawn else part.given
        evidence = (f"{column}: {value}" for value, column in found.items() if value in relevant)
        at = values.instant(part.at) or arrived
        event = kind(
            consent_id=consent_id(lead_id, part.channel), lead_id=lead_id, channel=part.channel,
            text="; ".join(evidence), place="import", at=at,
        )  # fmt: skip
        yield DatedEvent(f"consent/{part.channel}", event, at)


def _consent_class(
    found: set[str], part: ConsentColumn
) -> type[ConsentGiven | ConsentWithdrawn] | None:
    if not found.isdisjoint(part.withdrawn):
        return ConsentWithdrawn
    return None if found.isdisjoint(part.given) else ConsentGiven


def _read_counts(lead_id: UUID, values: LineValues, arrived: datetime) -> Iterator[DatedEvent]:
    for part in values.mapping.count:
        last, total = values.instant(part.at), values.count(part)
        for number in range(1, total + 1):
            at = None if last is None else arrived + (last - arrived) * number / total
            yield _count(lead_id, part, number, at)


def _count(lead_id: UUID, part: CountColumn, number: int, at: datetime | None) -> DatedEvent:
    label = f"count/{part.event_type}/{number}"
    return DatedEvent(label, _engagement(lead_id, label, part.event_type, part.column), at)


def _read_actions(lead_id: UUID, values: LineValues) -> Iterator[DatedEvent]:
    """Yield engagements and activities in the order of the mapping, each kind once."""
    seen: set[str] = set()
    for part in values.mapping.actions:
        for column in part.columns:
            text = values.raw(column)
            kind = part.values.get(text)
            if kind is None or kind in seen:
                continue
            seen.add(kind)
            label = f"done/{kind}"
            event: Event
            if isinstance(kind, EngagementType):
                event = _engagement(lead_id, label, kind, column)
            else:
                event = _activity(lead_id, label, kind, column, text)
            yield DatedEvent(label, event, values.instant(part.at))


def _engagement(lead_id: UUID, label: str, kind: EngagementType, column: str) -> EngagementRecorded:
    return EngagementRecorded(
        engagement_id=uuid5(lead_id, label), lead_id=lead_id, event_type=kind,
        score_weight=ENGAGEMENT_WEIGHTS[kind], metadata={"imported_from": column},
    )  # fmt: skip


def _activity(
    lead_id: UUID, label: str, kind: ActivityType, column: str, text: str
) -> ActivityRecorded:
    return ActivityRecorded(
        activity_id=uuid5(lead_id, label), lead_id=lead_id, type=kind, description=text,
        metadata={"imported_from": column},
    )  # fmt: skip
