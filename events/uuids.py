"""Ids in the driver's own shape of UUID: read, printed and sent in a tenth of the time.

It is a `uuid.UUID`, equal to and hashing like the same id of the standard library. Of the driver
only this value is used here, nothing that speaks to a database.
"""

from typing import Any

from asyncpg.pgproto import pgproto
from pydantic_core import CoreSchema, core_schema

QuickUUID: Any = pgproto.UUID
"""Made from text or from 16 bytes. Raises `ValueError`."""


def with_quick_ids(schema: CoreSchema) -> CoreSchema:
    """A model's schema that reads the ids in JSON as `QuickUUID`; its JSON Schema is the same."""
    found: CoreSchema = _replaced(schema)
    return found


def _replaced(part: Any) -> Any:
    if isinstance(part, dict):
        if part.get("type") == "uuid":
            return core_schema.json_or_python_schema(_FROM_JSON, core_schema.uuid_schema())
        return {name: _replaced(inner) for name, inner in part.items()}
    if isinstance(part, list):
        return [_replaced(inner) for inner in part]
    return part


_FROM_JSON = core_schema.no_info_after_validator_function(
    QuickUUID,
    core_schema.str_schema(),
    serialization=core_schema.to_string_ser_schema(when_used="json-unless-none"),
    metadata={"pydantic_js_updates": {"format": "uuid"}},
)
