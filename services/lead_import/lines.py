"""One line of the file as events about one lead.

Pure: the same line becomes the same events with the same ids, however often it is read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import orjson
from pydantic import ValidationError

from events.activities import ActivityRecorded
from events.consents import ConsentGiven, ConsentWithdrawn, consent_id
from events.engagements import ENGAGEMENT_WEIGHTS, EngagementRecorded, EngagementType
from events.event import Event
from events.leads import LeadImported, LeadStatus
from events.record import Cause, NewEvent, Origin
from services.deciders import contacts
from services.deciders.decider import Refused
from services.lead_import.mapping import DETAILS, ColumnMapping, CountColumn, TextColumn
from services.runtime.validation import describe_validation_error

_NAMESPACE = UUID("4b0d7a8e-2d0f-5f5e-8a54-3c7f0c1b9d26")
NORMALIZERS = {"email": contacts.normalize_email, "phone": contacts.normalize_phone}
ACTIVITY_INTERVAL = timedelta(hours=7)
MAX_ACTIVITY_SPAN = timedelta(days=14)
"""A lead's actions follow its arrival every seven hours, or more often to fit into two weeks."""


class InvalidLine(Exception):
    """The line cannot be imported; the message says why."""


@dataclass(frozen=True, slots=True)
class ImportTarget:
    """The property of the leads, the arrival of the first one, and the time between two lines."""

    org_id: UUID
    property_id: UUID
    start: datetime
    interval: timedelta


@dataclass(frozen=True, slots=True)
class LeadLine:
    """One line as events in the order of their instants; the first event imports the lead."""

    number: int
    lead: LeadImported
    new_events: tuple[NewEvent, ...]


def read_line(
    number: int, row: Mapping[str, str], mapping: ColumnMapping, target: ImportTarget
) -> LeadLine:
    """Return the line as events; raise `InvalidLine`."""
    if None in row or None in row.values():
        raise InvalidLine("the line has more or fewer fields than the header")
    external_id = row[mapping.lead.external_id].strip()
    if not external_id:
        raise InvalidLine(f"{mapping.lead.external_id} is empty: every lead needs its own value")
    lead_id = uuid5(_NAMESPACE, f"{target.property_id}/{mapping.name}/{external_id}")
    arrived = target.start + target.interval * (number - 1)
    try:
        lead = _lead(lead_id, external_id, row, mapping)
        labelled: list[tuple[str, Event, datetime]] = [("lead", lead, arrived)]
        labelled += _consents(lead_id, row, mapping, arrived)
        labelled += _spread(list(_actions(lead_id, row, mapping)), arrived)
    except ValidationError as error:
        raise InvalidLine(describe_validation_error(error)) from None
    except Refused as refused:
        raise InvalidLine(refused.message) from None
    except (TypeError, ValueError) as error:
        raise InvalidLine(str(error)) from None
    cause = Cause(actor=f"import:{mapping.name}", origin=Origin.IMPORT)
    new_events = tuple(
        NewEvent(uuid5(lead_id, label), event, target.org_id, target.property_id, at, cause)
        for label, event, at in labelled
    )
    return LeadLine(number, lead, new_events)


def _spread(
    actions: list[tuple[str, Event]], arrived: datetime
) -> Iterator[tuple[str, Event, datetime]]:
    """Give each action its instant: a file says how often, but not when."""
    step = min(ACTIVITY_INTERVAL, MAX_ACTIVITY_SPAN / max(1, len(actions)))
    for number, (label, event) in enumerate(actions, start=1):
        yield label, event, arrived + step * number


def _lead(
    lead_id: UUID, external_id: str, row: Mapping[str, str], mapping: ColumnMapping
) -> LeadImported:
    fields: dict[str, Any] = {"lead_id": lead_id, "external_id": external_id}
    for name in DETAILS:
        column: TextColumn | None = getattr(mapping.lead, name)
        value = _text(column, row) if column else None
        if value is not None:
            fields[name] = NORMALIZERS[name](value) if name in NORMALIZERS else value
    fields["status"] = _status(row, mapping)
    # The file has texts only: JSON validation reads dates and enums from them.
    return LeadImported.model_validate_json(orjson.dumps(fields))


def _text(column: TextColumn, row: Mapping[str, str]) -> str | None:
    value = row[column.column].strip()
    return None if not value or value in column.empty else column.values.get(value, value)


def _status(row: Mapping[str, str], mapping: ColumnMapping) -> LeadStatus:
    status = mapping.lead.status
    if status is None:
        return LeadStatus.NEW
    try:
        return status.values[row[status.column].strip()]
    except KeyError:
        raise InvalidLine(
            f"{status.column} is {row[status.column]!r}: add this value to the mapping's statuses"
        ) from None


def _consents(
    lead_id: UUID, row: Mapping[str, str], mapping: ColumnMapping, at: datetime
) -> Iterator[tuple[str, Event, datetime]]:
    """Yield the consents of a line; a withdrawal wins if the line also gives the consent."""
    for part in mapping.consent:
        values = {row[column].strip(): column for column in part.columns}
        kind = _consent_class(set(values), part.withdrawn, part.given)
        if kind is None:
            continue
        relevant = part.withdrawn if kind is ConsentWithdrawn else part.given
        evidence = (f"{column}: {value}" for value, column in values.items() if value in relevant)
        event = kind(
            consent_id=consent_id(lead_id, part.channel), lead_id=lead_id, channel=part.channel,
            text="; ".join(evidence), place="import", at=at,
        )  # fmt: skip
        yield f"consent/{part.channel}", event, at


def _consent_class(
    values: set[str], withdrawn: tuple[str, ...], given: tuple[str, ...]
) -> type[ConsentGiven | ConsentWithdrawn] | None:
    if not values.isdisjoint(withdrawn):
        return ConsentWithdrawn
    return None if values.isdisjoint(given) else ConsentGiven


def _actions(
    lead_id: UUID, row: Mapping[str, str], mapping: ColumnMapping
) -> Iterator[tuple[str, Event]]:
    """Yield engagements and activities with their labels, in the order of the mapping."""
    for counted in mapping.count:
        for number in range(1, _read_count(row[counted.column], counted) - counted.less + 1):
            label = f"count/{counted.event_type}/{number}"
            key = uuid5(lead_id, label)
            yield label, _engagement(key, lead_id, counted.event_type, counted.column)
    seen: set[str] = set()
    for part in mapping.actions:
        for column in part.columns:
            kind = part.values.get(row[column].strip())
            if kind is None or kind in seen:
                continue
            seen.add(kind)
            label = f"done/{kind}"
            key = uuid5(lead_id, label)
            if isinstance(kind, EngagementType):
                yield label, _engagement(key, lead_id, kind, column)
            else:
                event = ActivityRecorded(
                    activity_id=key, lead_id=lead_id, type=kind, description=row[column].strip(),
                    metadata={"imported_from": column},
                )  # fmt: skip
                yield label, event


def _engagement(key: UUID, lead_id: UUID, kind: EngagementType, column: str) -> EngagementRecorded:
    return EngagementRecorded(
        engagement_id=key, lead_id=lead_id, event_type=kind,
        score_weight=ENGAGEMENT_WEIGHTS[kind], metadata={"imported_from": column},
    )  # fmt: skip


def _read_count(text: str, counted: CountColumn) -> int:
    if not text.strip():
        return 0
    try:
        number = float(text)
    except ValueError:
        raise InvalidLine(f"{counted.column} is {text!r}, not a number") from None
    if not 0 <= number < 1_000_000_000 or number != int(number):
        raise InvalidLine(f"{counted.column} is {text!r}, not a whole number from 0")
    return min(int(number), counted.at_most)
