"""The construction of new events: a field that is given as None is left out of the payload."""

from typing import Any
from uuid import uuid4

import orjson
import pytest

from events import codec
from events.catalog import CATALOG
from events.codec import decode
from events.event import ChangeEvent, Event
from events.leads import LeadUpdated
from events.merges import LeadMerged
from events.tours import TourCancelled
from tests.events.frozen import CURRENT, Sample

every_sample = pytest.mark.parametrize("sample", CURRENT.values(), ids=str)


def payload(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(codec.serialize(event))
    return found


def has_meaning(kind: type[Event], name: str, value: object) -> bool:
    """Return whether a new event stores the value: it is not the absence of an optional field."""
    field = kind.model_fields[name]
    if field.is_required() or value != field.get_default(call_default_factory=True):
        return True
    if issubclass(kind, ChangeEvent) and name not in kind.unchanging:
        return True
    return value is not None and name not in kind.sparse


@every_sample
def test_a_new_event_stores_its_values_and_no_absent_field(sample: Sample) -> None:
    stored = decode(sample.name, sample.version, sample.payload)
    kind = type(stored)
    values = {name: getattr(stored, name) for name in stored.model_fields_set}
    absent = {
        name: None
        for name, field in kind.model_fields.items()
        if name not in values and not field.is_required() and field.default is None
        and not (issubclass(kind, ChangeEvent) and name not in kind.unchanging)
    }  # fmt: skip
    expected = {
        name: value
        for name, value in payload(stored).items()
        if has_meaning(kind, name, values[name])
    }
    assert payload(kind(**values, **absent)) == expected


@every_sample
def test_an_event_that_is_read_keeps_its_payload_and_its_digest(sample: Sample) -> None:
    stored = decode(sample.name, sample.version, sample.payload)
    assert payload(stored) == sample.fields
    again = decode(sample.name, sample.version, codec.serialize(stored))
    assert codec.digest(again) == codec.digest(stored)
    assert type(stored).model_validate(stored.model_dump(exclude_unset=True)) == stored


def test_null_empties_a_changed_field_and_is_different_from_absent() -> None:
    lead = uuid4()
    emptied = LeadUpdated(lead_id=lead, email=None, updated_by=None)
    assert payload(emptied) == {"lead_id": str(lead), "email": None, "has_email": False}
    assert payload(LeadUpdated(lead_id=lead)) == {"lead_id": str(lead)}


def test_a_sparse_field_is_stored_only_with_another_value_than_its_default() -> None:
    ids: dict[str, Any] = {"tour_id": uuid4(), "lead_id": uuid4()}
    assert "send_notification" not in payload(TourCancelled(**ids, send_notification=False))
    assert payload(TourCancelled(**ids, send_notification=True))["send_notification"] is True
    merged = LeadMerged(loser_id=uuid4(), winner_id=uuid4(), filled=())
    assert payload(merged).keys() == {"loser_id", "winner_id"}


def test_every_sparse_field_is_optional_and_has_a_default() -> None:
    for entry in CATALOG.values():
        for name in entry.kind.sparse:
            assert not entry.kind.model_fields[name].is_required(), (entry.name, name)
