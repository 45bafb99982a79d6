"""Rendering: no text with a hole in it ever leaves, and a value is put in once."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.deciders.decider import Refused
from services.deciders.rendering import VARIABLES, mentions, render, variables_of

plain = st.text(st.characters(codec="utf-8", exclude_characters="{}"), max_size=20)
anything = st.text(st.sampled_from("{} \tabcé🏠_") | st.characters(codec="utf-8"), max_size=60)
known = st.sampled_from(VARIABLES)
spaced = st.sampled_from(["", " ", "\t ", "   "])
pieces = st.lists(plain | st.tuples(spaced, known, spaced), max_size=12)
values = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(str.strip)
everything = st.fixed_dictionaries(dict.fromkeys(VARIABLES, values))

Pieces = list[str | tuple[str, str, str]]


def written(parts: Pieces) -> str:
    return "".join(p if isinstance(p, str) else f"{{{{{p[0]}{p[1]}{p[2]}}}}}" for p in parts)


@given(pieces, everything)
def test_a_text_is_its_pieces_with_the_values_put_in_once(
    parts: Pieces, said: dict[str, str]
) -> None:
    """Also where a value is itself written like a variable."""
    expected = "".join(p if isinstance(p, str) else said[p[1]] for p in parts)
    assert render(written(parts), said) == expected
    assert variables_of(written(parts)) == {p[1] for p in parts if not isinstance(p, str)}


@given(anything)
def test_what_is_rendered_has_no_variable_left(text: str) -> None:
    with suppress(Refused):
        rendered = render(text, dict.fromkeys(VARIABLES, "value"))
        assert "{{" not in rendered
        assert "}}" not in rendered


@given(anything)
def test_a_template_that_is_taken_is_rendered_without_braces(text: str) -> None:
    with suppress(Refused):
        assert variables_of(text) == mentions(text)
        assert not {"{", "}"} & set(render(text, dict.fromkeys(VARIABLES, "value")))


@given(pieces, st.sets(known), st.sampled_from([None, "", "  \n"]))
def test_a_value_that_is_missing_stops_the_whole_text(
    parts: Pieces, gone: set[str], nothing: str | None
) -> None:
    said = {name: nothing if name in gone else "value" for name in VARIABLES}
    missing = {p[1] for p in parts if not isinstance(p, str)} & gone
    if not missing:
        assert bool(render(written(parts), said)) == bool(written(parts))
        return
    with pytest.raises(Refused) as caught:
        render(written(parts), said)
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
def test_what_is_no_variable_is_named(text: str, code: str, named: str) -> None:
    with pytest.raises(Refused) as caught:
        variables_of(text)
    assert (caught.value.code, caught.value.status) == (code, 400)
    assert named in caught.value.message
    assert len(caught.value.message) < 300


def test_people_may_use_a_single_brace_in_what_they_type() -> None:
    assert render("see you :-} {ok} {{first_name}}", {"first_name": "Zoë"}) == (
        "see you :-} {ok} Zoë"
    )
    assert render("", {}) == ""
