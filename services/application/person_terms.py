"""A person as an erasure looks for it in contents that are no events."""

import re
from base64 import b64decode
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

import orjson

_NON_DIGITS = re.compile(r"[^0-9]+")
_MIN_DIGITS = 7
"""Fewer digits identify nobody."""


@dataclass(frozen=True, slots=True)
class PersonTerms:
    """The ids and texts that identify a person in contents.

    `subject_ids` are the ids of its leads, sessions and conversations; `texts` are e-mail
    addresses, phone numbers and ids of other systems.
    """

    property_ids: frozenset[UUID]
    subject_ids: frozenset[UUID]
    texts: frozenset[str]

    def is_named_in(self, content: bytes) -> bool:
        """Return whether a content contains an id or a text of the person.

        Upper and lower case are equal. Phone numbers are compared by their digits, however the
        content separates them.
        """
        text = _decoded(content).casefold()
        digits = _NON_DIGITS.sub("", text)
        return any(str(subject_id) in text for subject_id in self.subject_ids) or any(
            _contains(text, name.casefold())
            or (len(number := _NON_DIGITS.sub("", name)) >= _MIN_DIGITS and number in digits
                and not re.search("[a-z@]", name.casefold()))
            for name in self.texts
            if name.strip()
        )  # fmt: skip


def _contains(text: str, name: str) -> bool:
    """Return whether a name is in a text and no part of a longer one, as `ann@` in `joann@`."""
    return re.search(rf"(?<![\w.+%-]){re.escape(name)}(?![-.]?\w)", text) is not None


def _decoded(content: bytes) -> str:
    """Return the text of a content, followed by the texts of its JSON parts without escapes.

    The content of a record has a head in JSON, with the length of the key and the headers, and a
    second line with key and value.
    """
    line, _, rest = content.partition(b"\n")
    head = _read_json(line)
    parts = [content.decode("utf-8", "replace"), _text_of(head)]
    if isinstance(head, dict):
        key = head.get("key")
        rest = rest[key:] if isinstance(key, int) else rest
        parts += map(_decoded_header, head.get("headers") or ())
    return "\n".join([*parts, _text_of(_read_json(rest))])


def _decoded_header(header: object) -> str:
    """Return the text of a header of a record: name and value, the value in base64."""
    match header:
        case [_, str(value)]:
            with suppress(ValueError):
                return b64decode(value, validate=True).decode("utf-8", "replace")
    return ""


def _read_json(text: bytes) -> object:
    """Return the content of JSON; an empty text for anything else."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return ""


def _text_of(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{name}\n{_text_of(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return "\n".join(map(_text_of, value))
    return str(value)
