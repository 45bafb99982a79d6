"""The one place where an event becomes a stored payload and a stored payload an event again.

Everything the log and the bus hold passes here, so a cipher over the personal fields (and with
it the erasure of a subject) needs no change to any event, reader or producer.
"""

import hashlib
from typing import Any, Protocol
from uuid import UUID

import orjson

from events import catalog
from events.event import Event, personal_fields
from events.record import Unknown


class Cipher(Protocol):
    """Hides and shows one personal value of one subject."""

    def hide(self, subject: UUID, value: Any) -> Any: ...
    def show(self, subject: UUID, value: Any) -> Any: ...


_cipher: Cipher | None = None


def install(cipher: Cipher | None) -> None:
    """Use `cipher` for every personal field from now on; None keeps them in clear."""
    global _cipher
    _cipher = cipher


def seal(event: Event) -> bytes:
    """The payload of `event` as JSON, only the fields that were set.

    Raises `ValueError` where a text cannot be UTF-8 (a lone surrogate).
    """
    clear = event.model_dump_json(exclude_unset=True).encode()
    if _cipher is None or not (personal := personal_fields(type(event))):
        return clear
    payload = orjson.loads(clear)
    for field, subject in personal.items():
        if payload.get(field) is not None:
            payload[field] = _cipher.hide(_subject(payload, subject), payload[field])
    return orjson.dumps(payload)


def unseal(name: str, version: int, payload: bytes | str) -> Event:
    """The event a payload holds, in today's shape.

    Raises `catalog.UnknownEvent` for a name or version this build does not know and
    `pydantic.ValidationError` for a payload that never was one.
    """
    if _cipher is None or not (personal := personal_fields(catalog.kind_of(name))):
        return catalog.decode(name, version, payload)
    found = orjson.loads(payload)
    for field, subject in personal.items():
        if found.get(field) is not None:
            found[field] = _cipher.show(_subject(found, subject), found[field])
    return catalog.decode(name, version, orjson.dumps(found))


def read_event(name: str, version: int, payload: bytes | str) -> Event | Unknown:
    """The event in today's shape, or what is known of one this build cannot read."""
    try:
        if _cipher is None and (read := catalog.READ.get((name, version))) is not None:
            return read(payload)
        return unseal(name, version, payload)
    except catalog.UnknownEvent as error:
        return Unknown.of(name, version, payload, str(error))
    except ValueError as error:
        return Unknown.of(name, version, payload, f"the payload is not a {name}: {error}")


def digest(event: Event) -> bytes:
    """A fingerprint of what the event says, the same for the same content: 16 bytes.

    Taken of the clear content: a cipher may give other bytes for the same value each time.
    """
    said = event.model_dump(mode="json", exclude_unset=True)
    text = orjson.dumps([event.name, event.version, said], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=16).digest()


def _subject(payload: dict[str, Any], field: str) -> UUID:
    return UUID(payload[field])
