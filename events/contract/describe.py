"""The catalog as plain data: what is released, and what the next release is compared with."""

from collections.abc import Iterable
from typing import Any

from events.catalog import CATALOG, Entry

Contract = dict[str, Any]
"""`{"events": {name: {version, stream, entity, intake, personal, told, schema}}}`."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def contract(entries: Iterable[Entry] = tuple(CATALOG.values())) -> Contract:
    """The contract of `entries`, in the order of their names."""
    return {
        "events": {entry.name: described(entry) for entry in sorted(entries, key=lambda e: e.name)}
    }


def described(entry: Entry) -> dict[str, Any]:
    """All that others rely on in one event."""
    return {
        "version": entry.version,
        "stream": entry.stream,
        "entity": entry.entity,
        "intake": entry.intake.value,
        "personal": dict(sorted(entry.personal.items())),
        "told": sorted(entry.told),
        "schema": entry.kind.model_json_schema(),
    }


def schema_document(name: str, event: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of one event's payload as a document of its own."""
    head = {"$schema": DIALECT, "$id": f"urn:crm:event:{name}:{event['version']}"}
    return {**head, **event["schema"], "title": f"{name} version {event['version']}"}
