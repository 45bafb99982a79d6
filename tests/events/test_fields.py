"""The values that the field types accept and refuse."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from events import fields

MAX_LENGTHS = {"Word": 100, "Line": 320, "Text": 2_000, "Body": 20_000}
every_text_type = pytest.mark.parametrize("name", MAX_LENGTHS)


@every_text_type
@given(before=st.text(max_size=20), after=st.text(max_size=20))
def test_text_with_u0000_is_refused(name: str, before: str, after: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(getattr(fields, name)).validate_python(f"{before}\x00{after}")


@every_text_type
def test_text_with_a_lone_surrogate_is_refused(name: str) -> None:
    adapter = TypeAdapter[str](getattr(fields, name))
    with pytest.raises(ValidationError):
        adapter.validate_python("a\ud800")
    with pytest.raises(ValidationError):
        adapter.validate_json(b'"a\\ud800"')


@every_text_type
@given(
    text=st.text(
        alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=100
    )
)
def test_any_other_text_is_unchanged(name: str, text: str) -> None:
    assert TypeAdapter(getattr(fields, name)).validate_python(text) == text


@every_text_type
def test_text_is_limited_in_length(name: str) -> None:
    adapter = TypeAdapter[str](getattr(fields, name))
    assert adapter.validate_python("é" * MAX_LENGTHS[name])
    with pytest.raises(ValidationError):
        adapter.validate_python("é" * (MAX_LENGTHS[name] + 1))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Flag", b'"true"'),
        ("Flag", b"1"),
        ("Whole", b'"5"'),
        ("Whole", b"2147483648"),
        ("Count", b"-1"),
        ("Number", b"0"),
        ("Fold", b"2"),
        ("Fold", b"true"),
        ("Day", b"20000"),
        ("Day", b'"2026-02-30"'),
        ("Instant", b"1700000000"),
        ("Instant", b'"2026-11-22T10:00:00"'),
        ("LocalTime", b'"10:30:00Z"'),
        ("LocalTime", b'"10:30:00+02:00"'),
        ("LocalTime", b"38000"),
        ("Zone", b'"../../etc/passwd"'),
        ("Zone", b'""'),
        ("Hours", b'"NaN"'),
        ("Hours", b"1e400"),
        ("Hours", b"-0.5"),
    ],
)
def test_a_value_of_another_type_or_out_of_range_is_refused(name: str, value: bytes) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(getattr(fields, name)).validate_json(value)


@pytest.mark.parametrize(
    "zone", ["America/Chicago", "Etc/GMT+5", "UTC", "America/Argentina/Buenos_Aires"]
)
def test_an_iana_name_is_a_zone(zone: str) -> None:
    assert TypeAdapter(fields.Zone).validate_python(zone) == zone


@pytest.mark.parametrize("local", ["00:00", "10:30:00", "23:59:59.250000"])
def test_a_time_of_day_has_no_offset(local: str) -> None:
    assert TypeAdapter(fields.LocalTime).validate_json(f'"{local}"').tzinfo is None


NUMBERS = st.one_of(
    st.integers(), st.integers(2**63 - 2, 2**70), st.floats(allow_nan=False, allow_infinity=False)
)


@given(st.recursive(NUMBERS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_number_in_a_json_object_can_be_stored(value: object) -> None:
    """The stored value is the same when PostgreSQL prints it as an integer, such as 1e20."""
    adapter = TypeAdapter[dict[str, object]](fields.Json)
    stored = adapter.validate_json(json.dumps({"a": value}))
    assert orjson.loads(orjson.dumps(stored)) == stored
    assert adapter.validate_python(stored) == stored


@pytest.mark.parametrize(("value", "stored"), [
    (10**20, 1e20), (-(2**63) - 1, -(2.0**63)), (2**64, 2.0**64), (2**64 - 1, 2**64 - 1),
    (-(2**63), -(2**63)), (True, True),
])  # fmt: skip
def test_an_integer_of_more_than_64_bits_is_the_nearest_float(
    value: object, stored: object
) -> None:
    adapter = TypeAdapter[dict[str, object]](fields.Json)
    for given_object, stored_object in (
        ({"a": [{"b": value}]}, {"a": [{"b": stored}]}),
        ({"a": value}, {"a": stored}),
    ):
        validated = adapter.validate_json(json.dumps(given_object))
        assert validated == stored_object
        assert str(validated) == str(stored_object)


@pytest.mark.parametrize("text", ['{"a": 1e999}', '{"a": [-1e999]}', '{"a": 1' + "0" * 400 + "}"])
def test_a_number_beyond_the_range_of_floats_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(fields.Json).validate_json(text)
