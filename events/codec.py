"""The only code that converts events to stored payloads and back.

All payloads of the log and the bus are converted here. So encryption of the personal fields, and
with it the erasure of a data subject, needs no change of events, readers or producers.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Protocol
from uuid import UUID

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from events.catalog import EVENTS, UnknownEvent, kind_of
from events.event import Event, personal_fields
from events.record import UnreadableEvent
from events.upcasts import upcast

VALIDATORS: dict[tuple[str, int], Callable[[bytes | str], Event]] = {
    (kind.name, kind.version): kind.__pydantic_validator__.validate_json for kind in EVENTS
}
"""Parsers of payloads of current versions: faster than calls of `model_validate_json`."""
_JSON_OBJECT = TypeAdapter(dict[str, Any])


class Cipher(Protocol):
    """Encryption of single personal values, with a key per data subject."""

    def encrypt(self, subject: UUID, value: Any) -> Any: ...
    def decrypt(self, subject: UUID, value: Any) -> Any: ...


_cipher: Cipher | None = None


def install(cipher: Cipher | None) -> None:
    """Use `cipher` for all personal fields from now on; None stores them in clear text."""
    global _cipher
    _cipher = cipher


def seal(event: Event) -> bytes:
    """Return the payload of `event` as JSON, with only the fields that were set.

    Raises `ValueError` for a text that UTF-8 cannot represent (a lone surrogate).
    """
    clear = event.model_dump_json(exclude_unset=True).encode()
    if _cipher is None or not (personal := personal_fields(type(event))):
        return clear
    payload = orjson.loads(clear)
    for field, subject in personal.items():
        if payload.get(field) is not None:
            payload[field] = _cipher.encrypt(_subject(payload, subject), payload[field])
    return orjson.dumps(payload)


def unseal(name: str, version: int, payload: bytes | str) -> Event:
    """Return the event of a stored payload, in the current version.

    Raises the same as `decode`.
    """
    if _cipher is None or not (personal := personal_fields(kind_of(name))):
        return decode(name, version, payload)
    content = orjson.loads(payload)
    for field, subject in personal.items():
        if content.get(field) is not None:
            content[field] = _cipher.decrypt(_subject(content, subject), content[field])
    return decode(name, version, orjson.dumps(content))


def read_event(name: str, version: int, payload: bytes | str) -> Event | UnreadableEvent:
    """Return the event in the current version, or an `UnreadableEvent` with the reason."""
    try:
        if _cipher is None and (validate := VALIDATORS.get((name, version))):
            return validate(payload)
        return unseal(name, version, payload)
    except UnknownEvent as error:
        return UnreadableEvent.of(name, version, payload, str(error))
    except ValueError as error:
        return UnreadableEvent.of(name, version, payload, f"the payload is not a {name}: {error}")


def digest(event: Event) -> bytes:
    """Return a fingerprint of 16 bytes that is the same for the same content.

    It is computed from the clear text, because a cipher may return other bytes each time.
    """
    content = event.model_dump(mode="json", exclude_unset=True)
    text = orjson.dumps([event.name, event.version, content], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=16).digest()


def decode(name: str, version: int, payload: bytes | str | dict[str, Any]) -> Event:
    """Return the event of a stored payload, in the current version.

    Raises `UnknownEvent`, and `pydantic.ValidationError` for an invalid payload.
    """
    validate = VALIDATORS.get((name, version))
    if validate is not None:
        return validate(_json(payload))
    return _decode_old(name, version, payload)


def decode_from_producer(name: str, version: int, payload: bytes | str | dict[str, Any]) -> Event:
    """Return the event of a producer's payload, which may omit the derivable fields."""
    return decode(name, version, kind_of(name).derive(_object(payload)))


def _decode_old(name: str, version: int, payload: bytes | str | dict[str, Any]) -> Event:
    kind = kind_of(name)
    if not 1 <= version < kind.version:
        raise UnknownEvent(name, version)
    current = upcast(name, version, kind.version, _object(payload))
    return kind.model_validate_json(_json(current))


def _object(payload: bytes | str | dict[str, Any]) -> dict[str, Any]:
    return payload if isinstance(payload, dict) else _JSON_OBJECT.validate_json(payload)


def _json(payload: bytes | str | dict[str, Any]) -> bytes | str:
    if not isinstance(payload, dict):
        return payload
    try:
        return orjson.dumps(payload)
    except TypeError as error:
        problem = PydanticCustomError("json_type", "{reason}", {"reason": str(error)})
        raise ValidationError.from_exception_data(
            "payload", [{"type": problem, "loc": (), "input": None}]
        ) from error


def _subject(payload: dict[str, Any], field: str) -> UUID:
    return UUID(payload[field])
