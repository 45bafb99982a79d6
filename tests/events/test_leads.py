"""Leads: flags in clear text, and events of changes."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from events.codec import decode, serialize
from events.leads import LeadCaptured, LeadImported, LeadUpdated

LEAD = UUID(int=7)
FLAGS = ("first_name", "last_name", "email", "phone")
values = st.none() | st.sampled_from(["", "  ", "x", "zoe@example.com"])
field_values = st.fixed_dictionaries({}, optional=dict.fromkeys(FLAGS, values))


@given(values=field_values)
def test_a_flag_is_true_if_its_field_has_a_value(values: dict[str, Any]) -> None:
    event = LeadCaptured(lead_id=LEAD, **values)
    for field in FLAGS:
        value = values.get(field)
        assert getattr(event, f"has_{field}") == bool(value and value.strip())


@given(values=field_values)
def test_derived_flags_are_stored(values: dict[str, Any]) -> None:
    event = LeadImported(lead_id=LEAD, external_id="1", **values)
    stored = serialize(event)
    assert stored.count(b'"has_') == len(FLAGS)
    assert decode("lead.imported", 1, stored) == event


@given(values=field_values)
def test_an_update_contains_only_the_changed_fields(values: dict[str, Any]) -> None:
    event = LeadUpdated(lead_id=LEAD, **values)
    stored = decode("lead.updated", 1, serialize(event))
    assert isinstance(stored, LeadUpdated)
    assert stored.changes == event.changes
    assert stored.changes.keys() == values.keys() | {f"has_{field}" for field in values}


def test_null_clears_a_field_and_an_absent_field_is_unchanged() -> None:
    cleared = LeadUpdated(lead_id=LEAD, phone=None)
    assert cleared.changes == {"phone": None, "has_phone": False}
    assert LeadUpdated(lead_id=LEAD, source="google").changes == {"source": "google"}


@given(values=field_values)
def test_a_null_flag_is_derived(values: dict[str, Any]) -> None:
    nulls = dict.fromkeys([f"has_{field}" for field in FLAGS])
    event = decode("lead.updated", 1, {"lead_id": str(LEAD), **values, **nulls})
    assert event == LeadUpdated(lead_id=LEAD, **values)


def test_the_user_who_changed_a_lead_is_not_a_change() -> None:
    assert LeadUpdated(lead_id=LEAD, updated_by=UUID(int=1)).changes == {}


@pytest.mark.parametrize("kind", [LeadCaptured, LeadUpdated])
def test_a_false_flag_with_a_value_is_refused(
    kind: type[LeadCaptured] | type[LeadUpdated],
) -> None:
    with pytest.raises(ValidationError, match="has_email is false"):
        kind(lead_id=LEAD, email="zoe@example.com", has_email=False)


@pytest.mark.parametrize("name", ["lead.captured", "lead.updated"])
def test_an_erased_value_keeps_its_flag(name: str) -> None:
    event = decode(name, 1, {"lead_id": str(LEAD), "email": None, "has_email": True})
    assert isinstance(event, LeadCaptured | LeadUpdated)
    assert event.email is None
    assert event.has_email is True
