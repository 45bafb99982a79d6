"""The contract as files: what an export consists of, and what was released before."""

from typing import Any

import orjson

from events.contract.asyncapi import document
from events.contract.describe import Contract, contract, schema_document

CONTRACT = "contract.json"
ASYNCAPI = "asyncapi.json"

_READABLE = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


class NoContract(ValueError):
    """What was read is no released contract."""


def exported() -> dict[str, bytes]:
    """Path below the contract's directory → content.

    Schemas carry their version in their name, so those of older versions stay where they are.
    """
    current = contract()
    files: dict[str, Any] = {CONTRACT: current, ASYNCAPI: document()}
    for name, event in current["events"].items():
        files[f"schemas/{name}.v{event['version']}.json"] = schema_document(name, event)
    return {path: orjson.dumps(content, option=_READABLE) for path, content in files.items()}


def parsed(content: bytes) -> Contract:
    """A released contract as it was written. Raises `NoContract`."""
    try:
        found: Contract = orjson.loads(content)
        events = found["events"].values()
        whole = all(event.keys() >= _PARTS for event in events)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise NoContract(f"{CONTRACT} cannot be read: {error}") from error
    if not whole:
        raise NoContract(f"{CONTRACT} lacks parts of an event: export it again from its release")
    return found


_PARTS = {"version", "stream", "entity", "intake", "personal", "told", "schema"}
