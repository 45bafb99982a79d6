"""The published schemas accept the same payloads as the decoder."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from events.catalog import CATALOG, Entry
from events.codec import decode
from events.contract.describe import contract, schema_document
from tests.events.frozen import CURRENT, Sample

ENTRIES = list(CATALOG.values())
VALIDATORS = {
    name: Draft202012Validator(
        schema_document(name, event), format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    for name, event in contract()["events"].items()
}
VALUES: list[Any] = [None, 1, -3, 1.5, 2**40, True, [], {}, [1], {"a": 1}]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_schemas_are_valid(entry: Entry) -> None:
    Draft202012Validator.check_schema(VALIDATORS[entry.name].schema)


@pytest.mark.parametrize("sample", CURRENT.values(), ids=str)
def test_samples_match_their_schema(sample: Sample) -> None:
    VALIDATORS[sample.name].validate(sample.fields)


@settings(max_examples=1_500)
@given(data=st.data(), entry=st.sampled_from(ENTRIES), value=st.sampled_from(VALUES))
def test_decoder_and_schema_accept_the_same_types(
    data: st.DataObject, entry: Entry, value: Any
) -> None:
    field = data.draw(st.sampled_from(sorted(entry.kind.model_fields)))
    payload = {**CURRENT[entry.name].fields, field: value}
    assert _is_decodable(entry, payload) == VALIDATORS[entry.name].is_valid(payload)


@settings(max_examples=500)
@given(data=st.data(), entry=st.sampled_from(ENTRIES))
def test_decoder_and_schema_require_the_same_fields(data: st.DataObject, entry: Entry) -> None:
    fields = CURRENT[entry.name].fields
    missing = data.draw(st.sets(st.sampled_from(sorted(fields)), min_size=1))
    payload = {field: value for field, value in fields.items() if field not in missing}
    assert _is_decodable(entry, payload) == VALIDATORS[entry.name].is_valid(payload)


def test_marks_intake_and_stream_are_part_of_the_contract() -> None:
    captured = contract()["events"]["lead.captured"]
    assert captured["personal"]["email"] == "lead_id"
    assert (captured["stream"], captured["entity"]) == ("lead", "lead_id")
    assert captured["intake"] == "decided"
    assert contract()["events"]["engagement.recorded"]["told"] == ["score_weight"]


def _is_decodable(entry: Entry, payload: dict[str, Any]) -> bool:
    try:
        decode(entry.name, entry.version, payload)
    except ValidationError:
        return False
    return True
