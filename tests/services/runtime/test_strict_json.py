"""The strict parser of JSON: what it refuses, and how it reads large integers."""

import pytest

from services.runtime.strict_json import InvalidJson, parse_json
from tests.json_texts import READ_TEXTS, REFUSED_TEXTS


@pytest.mark.parametrize("kind", REFUSED_TEXTS)
def test_json_that_parsers_read_differently_is_refused(kind: str) -> None:
    text, why = REFUSED_TEXTS[kind]
    with pytest.raises(InvalidJson) as refused:
        parse_json(text)
    assert why in str(refused.value)


@pytest.mark.parametrize("kind", READ_TEXTS)
def test_numbers_are_read_as_documented(kind: str) -> None:
    text, value = READ_TEXTS[kind]
    read = parse_json(text)["a"]
    assert (read, type(read)) == (value, type(value))
