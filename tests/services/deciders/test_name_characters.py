"""The characters of names, on both sides of each limit."""

import unicodedata

import pytest

from services.deciders.decider import Refused
from services.deciders.names import MAX_NAME_CHARACTERS, normalize_name

BIDI_CLASSES = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
BIDI_MARKS = {"ARABIC LETTER MARK", "LEFT-TO-RIGHT MARK", "RIGHT-TO-LEFT MARK"}
CHARACTERS = [chr(number) for number in range(0x3000)]
BIDI_CONTROLS = {
    char
    for char in CHARACTERS
    if unicodedata.bidirectional(char) in BIDI_CLASSES or unicodedata.name(char, "") in BIDI_MARKS
}
"""Unicode UAX #9, section 2, from the Unicode data of Python."""
CONTROLS = {char for char in CHARACTERS if unicodedata.category(char) == "Cc"}


def test_every_control_of_the_direction_is_removed_and_its_neighbours_are_kept() -> None:
    assert len(BIDI_CONTROLS) == 12
    near = {chr(ord(char) + step) for char in BIDI_CONTROLS for step in (-1, 1)}
    for char in BIDI_CONTROLS:
        assert normalize_name(f"A{char}b") == "Ab", ascii(char)
    for char in near - BIDI_CONTROLS:
        kept = normalize_name(f"A{char}b")
        expected = "A b" if char.isspace() else f"A{char}b"
        assert kept == unicodedata.normalize("NFC", expected), ascii(char)


def test_every_control_character_separates_words() -> None:
    assert len(CONTROLS) == 65
    for char in CONTROLS:
        assert normalize_name(f"A{char}b") == "A b", ascii(char)
    for char in "!~\u00a1":
        assert normalize_name(f"A{char}b") == f"A{char}b"


@pytest.mark.parametrize("name", ["x" * (MAX_NAME_CHARACTERS + 1), "https://evil.example"])
def test_a_refused_name_is_a_bad_request(name: str) -> None:
    with pytest.raises(Refused) as caught:
        normalize_name(name)
    assert (caught.value.code, caught.value.status) == ("invalid_name", 400)
    assert normalize_name("x" * MAX_NAME_CHARACTERS) == "x" * MAX_NAME_CHARACTERS
