"""What fields take and what they refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from events import fields

TEXTS = {"Word": 100, "Line": 320, "Text": 2_000, "Body": 20_000}
every_text = pytest.mark.parametrize("name", TEXTS)


@every_text
@given(before=st.text(max_size=20), after=st.text(max_size=20))
def test_text_with_nul_is_refused(name: str, before: str, after: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(getattr(fields, name)).validate_python(f"{before}\x00{after}")


@every_text
def test_text_with_a_lone_surrogate_is_refused(name: str) -> None:
    adapter = TypeAdapter[str](getattr(fields, name))
    with pytest.raises(ValidationError):
        adapter.validate_python("a\ud800")
    with pytest.raises(ValidationError):
        adapter.validate_json(b'"a\\ud800"')


@every_text
@given(
    text=st.text(
        alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=100
    )
)
def test_any_other_text_is_kept_as_it_is(name: str, text: str) -> None:
    assert TypeAdapter(getattr(fields, name)).validate_python(text) == text


@every_text
def test_text_has_a_limit(name: str) -> None:
    adapter = TypeAdapter[str](getattr(fields, name))
    assert adapter.validate_python("é" * TEXTS[name])
    with pytest.raises(ValidationError):
        adapter.validate_python("é" * (TEXTS[name] + 1))


@pytest.mark.parametrize(
    ("name", "bad"),
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
def test_what_only_looks_like_a_value_is_refused(name: str, bad: bytes) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(getattr(fields, name)).validate_json(bad)


@pytest.mark.parametrize(
    "zone", ["America/Chicago", "Etc/GMT+5", "UTC", "America/Argentina/Buenos_Aires"]
)
def test_iana_names_are_zones(zone: str) -> None:
    assert TypeAdapter(fields.Zone).validate_python(zone) == zone


@pytest.mark.parametrize("local", ["00:00", "10:30:00", "23:59:59.250000"])
def test_a_time_of_day_has_no_offset(local: str) -> None:
    assert TypeAdapter(fields.LocalTime).validate_json(f'"{local}"').tzinfo is None
