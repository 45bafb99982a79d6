"""The contract as files: their export, and the parser of a released contract."""

from typing import Any

import orjson

from events.contract.asyncapi import document
from events.contract.describe import Contract, contract, producer_schemas, schema_document

CONTRACT = "contract.json"
ASYNCAPI = "asyncapi.json"

_READABLE = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


class InvalidContract(ValueError):
    """A file that is not a released contract."""


def export_files() -> dict[str, bytes]:
    """Return path below the contract's directory → content.

    File names of schemas contain the version, so schemas of older versions are kept.
    """
    current = contract()
    files: dict[str, Any] = {CONTRACT: current, ASYNCAPI: document()}
    for name, event in current["events"].items():
        files[f"schemas/{name}.v{event['version']}.json"] = schema_document(name, event)
    for name, schema in producer_schemas().items():
        files[f"intake/{name}"] = schema
    return {path: orjson.dumps(content, option=_READABLE) for path, content in files.items()}


def parse_contract(content: bytes) -> Contract:
    """Return the released contract in a file. Raises `InvalidContract`."""
    try:
        released: Contract = orjson.loads(content)
        events = released["events"].values()
        is_complete = all(event.keys() >= _REQUIRED_KEYS for event in events)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InvalidContract(f"{CONTRACT} is not a contract: {error}") from error
    if not is_complete:
        raise InvalidContract(f"{CONTRACT} has incomplete events: export it again from its release")
    return released


_REQUIRED_KEYS = {"version", "stream", "entity", "intake", "personal", "told", "schema"}
