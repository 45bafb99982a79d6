"""Leads: the clear flags, and changes that say only what changed."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from events.catalog import decode
from events.codec import seal
from events.leads import LeadCaptured, LeadImported, LeadUpdated

LEAD = UUID(int=7)
FLAGS = ("first_name", "last_name", "email", "phone")
values = st.none() | st.sampled_from(["", "  ", "x", "zoe@example.com"])
kept = st.fixed_dictionaries({}, optional=dict.fromkeys(FLAGS, values))


@given(values=kept)
def test_flags_say_what_is_there(values: dict[str, Any]) -> None:
    event = LeadCaptured(lead_id=LEAD, **values)
    for field in FLAGS:
        value = values.get(field)
        assert getattr(event, f"has_{field}") == bool(value and value.strip())


@given(values=kept)
def test_flags_are_stored_even_where_nobody_gave_them(values: dict[str, Any]) -> None:
    event = LeadImported(lead_id=LEAD, external_id="1", **values)
    stored = seal(event)
    assert stored.count(b'"has_') == len(FLAGS)
    assert decode("lead.imported", 1, stored) == event


@given(values=kept)
def test_an_update_says_only_what_changed(values: dict[str, Any]) -> None:
    event = LeadUpdated(lead_id=LEAD, **values)
    again = decode("lead.updated", 1, seal(event))
    assert isinstance(again, LeadUpdated)
    assert again.changes == event.changes
    assert again.changes.keys() == values.keys() | {f"has_{field}" for field in values}


def test_an_emptied_field_is_not_an_absent_one() -> None:
    emptied = LeadUpdated(lead_id=LEAD, phone=None)
    assert emptied.changes == {"phone": None, "has_phone": False}
    assert LeadUpdated(lead_id=LEAD, source="google").changes == {"source": "google"}


@given(values=kept)
def test_a_null_flag_is_one_left_out(values: dict[str, Any]) -> None:
    nulls = dict.fromkeys([f"has_{field}" for field in FLAGS])
    event = decode("lead.updated", 1, {"lead_id": str(LEAD), **values, **nulls})
    assert event == LeadUpdated(lead_id=LEAD, **values)


def test_who_changed_it_is_no_change() -> None:
    assert LeadUpdated(lead_id=LEAD, updated_by=UUID(int=1)).changes == {}


@pytest.mark.parametrize("kind", [LeadCaptured, LeadUpdated])
def test_a_flag_that_denies_its_value_is_refused(
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
