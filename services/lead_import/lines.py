"""A line of the file as facts about one lead. Pure: the same line says the same, for ever."""

from collections.abc import Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import orjson
from pydantic import ValidationError

from events.consents import ConsentGiven, ConsentWithdrawn, consent_id
from events.engagements import (
    ENGAGEMENT_WEIGHTS,
    ActivityRecorded,
    EngagementRecorded,
    EngagementType,
)
from events.event import Event
from events.leads import LeadImported, LeadStatus
from events.record import Cause, NewEvent, Origin
from services.deciders import contacts
from services.deciders.decider import Refused
from services.intake.producer_record import explained
from services.lead_import.mapping import DETAILS, CountColumn, Mapping, Translated

_NAMESPACE = UUID("4b0d7a8e-2d0f-5f5e-8a54-3c7f0c1b9d26")
NORMAL = {"email": contacts.email_of, "phone": contacts.phone_of}
APART = timedelta(hours=7)
WITHIN = timedelta(days=14)
"""What a lead did after it arrived: a fact every seven hours, or closer, but all in two weeks."""


class BadLine(Exception):
    """The line cannot be imported; the message says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the leads go: a property, and the instant the first of them arrived."""

    org_id: UUID
    property_id: UUID
    start: datetime
    apart: timedelta
    """Between two lines."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file, as facts in the order they happened; the first is the lead itself."""

    number: int
    lead: LeadImported
    recorded_events: tuple[NewEvent, ...]


def read_line(number: int, row: Map[str, str], mapping: Mapping, place: Place) -> Line:
    """Raises `BadLine`."""
    if None in row or None in row.values():
        raise BadLine("the line has more or fewer fields than the header")
    external_id = row[mapping.lead.external_id].strip()
    if not external_id:
        raise BadLine(f"{mapping.lead.external_id} is empty: it is what tells leads apart")
    lead_id = uuid5(_NAMESPACE, f"{place.property_id}/{mapping.name}/{external_id}")
    arrived = place.start + place.apart * (number - 1)
    try:
        lead = _lead(lead_id, external_id, row, mapping)
        told: list[tuple[str, Event, datetime]] = [("lead", lead, arrived)]
        told += _consents(lead_id, row, mapping, arrived)
        done = list(_done(lead_id, row, mapping))
        step = min(APART, WITHIN / max(1, len(done)))
        told += [(what, event, arrived + step * n) for n, (what, event) in enumerate(done, 1)]
    except ValidationError as error:
        raise BadLine(explained(error)) from None
    except Refused as refused:
        raise BadLine(refused.message) from None
    except (TypeError, ValueError) as error:
        raise BadLine(str(error)) from None
    cause = Cause(actor=f"import:{mapping.name}", origin=Origin.IMPORT)
    recorded_events = tuple(
        NewEvent(uuid5(lead_id, what), event, place.org_id, place.property_id, at, cause)
        for what, event, at in told
    )
    return Line(number, lead, recorded_events)


def _lead(lead_id: UUID, external_id: str, row: Map[str, str], mapping: Mapping) -> LeadImported:
    said: dict[str, Any] = {"lead_id": lead_id, "external_id": external_id}
    for name in DETAILS:
        told: Translated | None = getattr(mapping.lead, name)
        value = _translated(told, row) if told else None
        if value is not None:
            said[name] = NORMAL[name](value) if name in NORMAL else value
    said["status"] = _status(row, mapping)
    return LeadImported.model_validate_json(orjson.dumps(said))


def _translated(told: Translated, row: Map[str, str]) -> str | None:
    value = row[told.column].strip()
    return None if not value or value in told.empty else told.values.get(value, value)


def _status(row: Map[str, str], mapping: Mapping) -> LeadStatus:
    told = mapping.lead.status
    if told is None:
        return LeadStatus.NEW
    try:
        return told.values[row[told.column].strip()]
    except KeyError:
        raise BadLine(
            f"{told.column} is {row[told.column]!r}: the mapping knows no status for it"
        ) from None


def _consents(
    lead_id: UUID, row: Map[str, str], mapping: Mapping, at: datetime
) -> Iterator[tuple[str, Event, datetime]]:
    """Withdrawing beats giving where a line says both."""
    for one in mapping.consent:
        found = {row[column].strip(): column for column in one.columns}
        kind = _consent_kind(set(found), one.withdrawn, one.given)
        if kind is None:
            continue
        values = one.withdrawn if kind is ConsentWithdrawn else one.given
        text = "; ".join(f"{column}: {value}" for value, column in found.items() if value in values)
        event = kind(
            consent_id=consent_id(lead_id, one.channel), lead_id=lead_id, channel=one.channel,
            text=text, place="import", at=at,
        )  # fmt: skip
        yield f"consent/{one.channel}", event, at


def _consent_kind(
    found: set[str], withdrawn: tuple[str, ...], given: tuple[str, ...]
) -> type[ConsentGiven | ConsentWithdrawn] | None:
    if not found.isdisjoint(withdrawn):
        return ConsentWithdrawn
    return None if found.isdisjoint(given) else ConsentGiven


def _done(lead_id: UUID, row: Map[str, str], mapping: Mapping) -> Iterator[tuple[str, Event]]:
    """What the lead did, and what was done for it, in the order of the mapping."""
    for one in mapping.count:
        for number in range(1, _count(row[one.column], one) - one.less + 1):
            key = uuid5(lead_id, what := f"count/{one.event_type}/{number}")
            yield what, _engagement(key, lead_id, one.event_type, one.column)
    seen: set[str] = set()
    for part in mapping.done:
        for column in part.columns:
            kind = part.values.get(row[column].strip())
            if kind is None or kind in seen:
                continue
            seen.add(kind)
            key = uuid5(lead_id, what := f"done/{kind}")
            if isinstance(kind, EngagementType):
                yield what, _engagement(key, lead_id, kind, column)
            else:
                event = ActivityRecorded(
                    activity_id=key, lead_id=lead_id, type=kind, description=row[column].strip(),
                    metadata={"imported_from": column},
                )  # fmt: skip
                yield what, event


def _engagement(key: UUID, lead_id: UUID, kind: EngagementType, column: str) -> EngagementRecorded:
    return EngagementRecorded(
        engagement_id=key, lead_id=lead_id, event_type=kind,
        score_weight=ENGAGEMENT_WEIGHTS[kind], metadata={"imported_from": column},
    )  # fmt: skip


def _count(text: str, counted: CountColumn) -> int:
    if not text.strip():
        return 0
    try:
        number = float(text)
    except ValueError:
        raise BadLine(f"{counted.column} is {text!r}: not a number") from None
    if not 0 <= number < 1_000_000_000 or number != int(number):
        raise BadLine(f"{counted.column} is {text!r}: not a count")
    return min(int(number), counted.at_most)
