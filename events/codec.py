"""The only code that converts events to stored payloads and back.

All payloads of the log and the bus are converted here. A stored payload has the personal values of
the event in one encrypted member (`sealed_payload`); its other fields are in clear. Payloads
without this member are read as they are.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from events.catalog import EVENTS, UnknownEvent, kind_of
from events.event import Event, time_fields
from events.invalid_fields import name_invalid_fields
from events.keys.data_key import DataKey
from events.record import UnreadableEvent
from events.sealed_member import SealedPayload
from events.sealed_payload import unseal
from events.upcasts import upcast

VALIDATORS: dict[tuple[str, int], Callable[[bytes | str], Event]] = {
    (kind.name, kind.version): kind.__pydantic_validator__.validate_json for kind in EVENTS
}
"""Parsers of payloads of current versions: faster than calls of `model_validate_json`."""
_NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]+")
_JSON_OBJECT = TypeAdapter(dict[str, Any])


def serialize(event: Event) -> bytes:
    """Return the payload of `event` in clear as JSON, with only the fields that were set.

    Raises `ValueError` for a text that UTF-8 cannot represent (a lone surrogate).
    """
    # As `model_dump_json`, without its conversion to a text.
    clear: bytes = event.__pydantic_serializer__.to_json(event, exclude_unset=True)
    return clear


def read_event(
    name: str,
    version: int,
    payload: bytes | str,
    event_id: UUID | None = None,
    sealed: SealedPayload | None = None,
    keys: Mapping[bytes, DataKey | None] | None = None,
) -> Event | UnreadableEvent:
    """Return the event in the current version, or an `UnreadableEvent` with the reason.

    `sealed` is what `find_sealed` returns for the payload, `keys` what the key ring has loaded for
    it: key id as text → data key, None for an erased subject.
    """
    try:
        validate = VALIDATORS.get((name, version))
        clear = payload
        if sealed is not None:
            if validate is None:
                kind_of(name)
            if event_id is None or keys is None:
                raise RuntimeError(f"{name}: an encrypted payload is read with its id and keys")
            key = None if sealed.key_id is None else keys[sealed.key_text]
            clear = unseal(name, event_id, sealed, key)
        if validate is not None:
            return validate(clear)
        return _decode_old(name, version, clear)
    except UnknownEvent as error:
        return UnreadableEvent.of(name, version, payload, str(error))
    except ValueError as error:
        return UnreadableEvent.of(
            name, version, payload, f"the payload is not a {name}: {_describe(error)}"
        )


def digest(event: Event, key: bytes = b"", content: Mapping[str, Any] | None = None) -> bytes:
    """Return a fingerprint of 16 bytes that is the same for the same content.

    It is computed from the clear text. With personal values, `key` is that of their data subject:
    without the key, nobody can guess the content from the fingerprint. `content` is the parsed
    result of `serialize`, where the caller has it.
    """
    if content is None:
        content = orjson.loads(serialize(event))
    text = orjson.dumps([event.name, event.version, content], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=16, key=key).digest()


def decode(name: str, version: int, payload: bytes | str | dict[str, Any]) -> Event:
    """Return the event of a stored payload, in the current version.

    Raises `UnknownEvent`, and `pydantic.ValidationError` for an invalid payload.
    """
    validate = VALIDATORS.get((name, version))
    if validate is not None:
        return validate(_json(payload))
    return _decode_old(name, version, payload)


def decode_from_producer(name: str, version: int, payload: bytes | str | dict[str, Any]) -> Event:
    """Return the event of a producer's payload, which may omit the derivable fields.

    Raises the same as `decode`, and `ValueError` for a number in the place of a day or an instant:
    pydantic would read the digits in a text as seconds.
    """
    kind, content = kind_of(name), _object(payload)
    for field in time_fields(kind):
        value = content.get(field)
        if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
            raise ValueError(f"{field}: a number is not a date, send ISO 8601")
    return decode(name, version, kind.derive(content))


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


def _describe(error: ValueError) -> str:
    """Return the message without the values of the payload, which can be personal."""
    return name_invalid_fields(error) if isinstance(error, ValidationError) else str(error)
