"""Rendering: a text is complete or refused, and an inserted value is not scanned again."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.deciders.decider import Refused
from services.deciders.rendering import VARIABLES, parse_variables, render, variables_in

plain = st.text(st.characters(codec="utf-8", exclude_characters="{}"), max_size=20)
anything = st.text(st.sampled_from("{} \tabcé🏠_") | st.characters(codec="utf-8"), max_size=60)
variables = st.sampled_from(VARIABLES)
spaced = st.sampled_from(["", " ", "\t ", "   "])
pieces = st.lists(plain | st.tuples(spaced, variables, spaced), max_size=12)
values = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(str.strip)
everything = st.fixed_dictionaries(dict.fromkeys(VARIABLES, values))

Pieces = list[str | tuple[str, str, str]]


def join(parts: Pieces) -> str:
    return "".join(p if isinstance(p, str) else f"{{{{{p[0]}{p[1]}{p[2]}}}}}" for p in parts)


@given(pieces, everything)
def test_a_text_is_rendered_with_each_value_inserted_once(
    parts: Pieces, values: dict[str, str]
) -> None:
    """A value that looks like a variable stays as it is."""
    expected = "".join(p if isinstance(p, str) else values[p[1]] for p in parts)
    assert render(join(parts), values) == expected
    assert parse_variables(join(parts)) == {p[1] for p in parts if not isinstance(p, str)}


@given(anything)
def test_a_rendered_text_has_no_variable_left(text: str) -> None:
    with suppress(Refused):
        rendered = render(text, dict.fromkeys(VARIABLES, "value"))
        assert "{{" not in rendered
        assert "}}" not in rendered


@given(anything)
def test_a_valid_template_is_rendered_without_braces(text: str) -> None:
    with suppress(Refused):
        assert parse_variables(text) == variables_in(text)
        assert not {"{", "}"} & set(render(text, dict.fromkeys(VARIABLES, "value")))


@given(pieces, st.sets(variables), st.sampled_from([None, "", "  \n"]))
def test_a_missing_value_is_refused(parts: Pieces, missing: set[str], blank: str | None) -> None:
    values = {name: blank if name in missing else "value" for name in VARIABLES}
    missing = {p[1] for p in parts if not isinstance(p, str)} & missing
    if not missing:
        assert bool(render(join(parts), values)) == bool(join(parts))
        return
    with pytest.raises(Refused) as caught:
        render(join(parts), values)
    assert (caught.value.code, caught.value.status) == ("missing_value", 422)
    assert set(caught.value.details["variables"]) == missing
    assert all(name in caught.value.message for name in missing)


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("Hi {{firstname}}", "unknown_variable", "firstname"),
        ("Hi {{FIRST_NAME}}", "unknown_variable", "FIRST_NAME"),
        ("Hi {{}}", "unknown_variable", "''"),
        ("Hi {{first name}}", "unknown_variable", "first name"),
        ("Hi {{first_name}", "malformed_variable", "{{first_name}"),
        ("Hi {first_name}", "malformed_variable", "{first_name}"),
        ("Hi {{{first_name}}}", "malformed_variable", "{{{first_name"),
        ("Hi first_name}}", "malformed_variable", "}}"),
        ("{{first_name}}{{" + "x" * 5_000, "malformed_variable", "{{xxx"),
        ("{{" * 10_000, "malformed_variable", "{{"),
        ("{{" + " " * 20_000, "malformed_variable", "{{"),
    ],
)
def test_a_malformed_or_unknown_variable_is_refused_by_name(
    text: str, code: str, named: str
) -> None:
    with pytest.raises(Refused) as caught:
        parse_variables(text)
    assert (caught.value.code, caught.value.status) == (code, 400)
    assert named in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("text", "shown"),
    [("{{" + "x" * 50 + "}}", "x" * 40), ("{{" + "x" * 50, "{{" + "x" * 38)],
)
def test_an_error_shows_the_first_forty_characters_of_a_variable(text: str, shown: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_variables(text)
    assert f"'{shown}' is not a variable" in caught.value.message
    assert caught.value.details.get("variable", shown) == shown


def test_a_typed_text_may_have_a_single_brace() -> None:
    assert render("see you :-} {ok} {{first_name}}", {"first_name": "Zoë"}) == (
        "see you :-} {ok} Zoë"
    )
    assert render("", {}) == ""
