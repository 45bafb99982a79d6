"""Unicode texts of clients and producers in one normal form."""

import unicodedata
from typing import Any


def normalize_texts(value: Any) -> Any:
    """Return a JSON value with all texts in it in NFC (UAX #15); the keys of objects stay.

    One name can arrive in two forms, depending on the keyboard or the system. They are one text.
    """
    match value:
        case str():
            return value if value.isascii() else unicodedata.normalize("NFC", value)
        case dict():
            return {key: normalize_texts(item) for key, item in value.items()}
        case list():
            return [normalize_texts(item) for item in value]
        case _:
            return value
