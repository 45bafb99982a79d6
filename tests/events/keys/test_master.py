"""Master keys: the first one wraps, each of them unwraps, and no text shows their bytes."""

import base64

import pytest

from events.keys.master import (
    ConfiguredMasterKeys,
    WrappedKey,
    WrongMasterKey,
    parse_master_keys,
)

OLD, NEW = (base64.b64encode(character * 32).decode() for character in (b"o", b"n"))
KEY, CONTEXT = b"k" * 32, b"context"


def test_the_first_key_wraps_and_each_of_them_unwraps() -> None:
    old = parse_master_keys(OLD).wrap(KEY, CONTEXT)
    both = parse_master_keys(f"{NEW},{OLD}")
    new = both.wrap(KEY, CONTEXT)
    assert (both.unwrap(old, CONTEXT), both.unwrap(new, CONTEXT)) == (KEY, KEY)
    assert parse_master_keys(NEW).unwrap(new, CONTEXT) == KEY
    assert both.current == parse_master_keys(NEW).current


@pytest.mark.parametrize("text", [f"{NEW}\n{OLD}\n", f" {NEW} , {OLD}", f"{NEW},,{OLD}"])
def test_keys_are_separated_by_commas_or_lines(text: str) -> None:
    assert parse_master_keys(text).ids == parse_master_keys(f"{NEW},{OLD}").ids


def test_a_key_of_another_master_key_is_refused_with_its_id() -> None:
    old = parse_master_keys(OLD).wrap(KEY, CONTEXT)
    with pytest.raises(WrongMasterKey, match=f"{old.master_key}.*add the missing key"):
        parse_master_keys(NEW).unwrap(old, CONTEXT)


def test_a_wrapped_key_of_another_place_or_with_other_bytes_is_refused() -> None:
    keys = parse_master_keys(NEW)
    wrapped = keys.wrap(KEY, CONTEXT)
    changed = WrappedKey(wrapped.wrapped[:-1] + bytes([wrapped.wrapped[-1] ^ 1]), keys.current)
    for stored, context in ((wrapped, b"other"), (changed, CONTEXT)):
        with pytest.raises(WrongMasterKey, match="changed in the key store"):
            keys.unwrap(stored, context)


@pytest.mark.parametrize("text", ["", " , ", "secretsecret", OLD[:-8], f"{NEW},secretsecret"])
def test_a_text_that_is_no_key_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="master key") as error:
        parse_master_keys(text)
    assert "secret" not in str(error.value)


def test_no_text_shows_a_key() -> None:
    keys = parse_master_keys(f"{NEW},{OLD}")
    assert isinstance(keys, ConfiguredMasterKeys)
    for text in (repr(keys), str(keys), f"{keys.ids}"):
        assert NEW not in text
        assert "nnnn" not in text
