"""One line of the file as events about one lead.

Pure: the same line becomes the same events with the same ids, however often it is read.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import orjson
from pydantic import ValidationError

from events.claims import Claim, claims_of
from events.leads import LeadImported, LeadStatus
from events.record import Cause, NewEvent, Origin
from services.deciders.contacts import contact_keys, normalize_email, normalize_phone
from services.deciders.decider import Refused
from services.deciders.names import NAME_FIELDS, normalize_name
from services.lead_import.csv_records import CsvRecord
from services.lead_import.line_history import DatedEvent, read_history
from services.lead_import.line_values import ImportTarget, InvalidLine, LineValues
from services.lead_import.mapping import ColumnMapping
from services.runtime.validation import describe_validation_error

_NAMESPACE = UUID("4b0d7a8e-2d0f-5f5e-8a54-3c7f0c1b9d26")


@dataclass(frozen=True, slots=True)
class LeadLine:
    """One record as events in the order of their instants; the first event imports the lead."""

    record: CsvRecord
    lead: LeadImported
    new_events: tuple[NewEvent, ...]
    claims: tuple[Claim, ...]


def read_line(
    record: CsvRecord,
    row: Mapping[str, str],
    mapping: ColumnMapping,
    target: ImportTarget,
    number: int = 1,
) -> LeadLine:
    """Return the record as events; `number` counts the records from 1. Raise `InvalidLine`."""
    values = LineValues(row, mapping, target)
    external_id = values.text(mapping.lead.external_id)
    if external_id is None:
        raise InvalidLine(
            f"{mapping.lead.external_id.column} is empty: every lead needs its own value"
        )
    name = f"{target.property_id}/{mapping.name}/{external_id}"
    lead_id = uuid5(_NAMESPACE, hmac.digest(target.contact_key, name.encode(), "sha256").hex())
    try:
        arrived = _read_arrival(values, number)
        status, history = read_history(lead_id, values, arrived)
        lead = _read_lead(lead_id, external_id, status, values)
    except ValidationError as error:
        raise InvalidLine(describe_validation_error(error)) from None
    except Refused as refused:
        raise InvalidLine(refused.message) from None
    except (TypeError, ValueError) as error:
        raise InvalidLine(str(error)) from None
    cause = Cause(actor=f"import:{mapping.name}", origin=Origin.IMPORT)
    new_events = tuple(
        NewEvent(uuid5(lead_id, label), event, target.org_id, target.property_id, at, cause)
        for label, event, at in (DatedEvent("lead", lead, arrived), *history)
        if at is not None
    )
    return LeadLine(record, lead, new_events, tuple(claims_of(lead, target.contact_key)))


def _read_arrival(values: LineValues, number: int) -> datetime:
    part, target = values.mapping.lead.arrived, values.target
    if part is None:
        if target.start is None:
            raise InvalidLine("the mapping names no column of the arrival: give a start")
        return target.start + target.interval * (number - 1)
    arrived = values.instant(part)
    if arrived is None:
        raise InvalidLine(f"{part.column} is empty: every lead needs the date of its arrival")
    return arrived


def _read_lead(
    lead_id: UUID, external_id: str, status: LeadStatus, values: LineValues
) -> LeadImported:
    fields: dict[str, Any] = {"lead_id": lead_id, "external_id": external_id, "status": status}
    for name, column in values.mapping.texts.items():
        fields[name] = _normalize(name, values.text(column), values.target.country)
    fields["move_in_date"] = values.day(values.mapping.lead.move_in_date)
    present = {name: value for name, value in fields.items() if value is not None}
    present |= contact_keys(present)
    if metadata := values.metadata():
        present["metadata"] = metadata
    # JSON validation reads ids, dates and enums from texts.
    return LeadImported.model_validate_json(orjson.dumps(present))


def _normalize(name: str, text: str | None, country: str) -> str | None:
    if name in NAME_FIELDS:
        return normalize_name(text)
    if name == "email":
        return normalize_email(text)
    return normalize_phone(text, country) if name == "phone" else text
