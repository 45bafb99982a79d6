"""The catalog as JSON data: the contract that is released and compared with the next one."""

from collections.abc import Iterable
from typing import Any

from events.catalog import CATALOG, Entry

Contract = dict[str, Any]
"""`{"events": {name: {version, stream, entity, intake, personal, told, planned, schema}}}`.

`told` lists the derivable fields: the contract keeps the first name of that key.
"""

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def contract(entries: Iterable[Entry] = tuple(CATALOG.values())) -> Contract:
    """Return the contract of `entries`, sorted by name."""
    return {
        "events": {
            entry.name: describe_event(entry) for entry in sorted(entries, key=lambda e: e.name)
        }
    }


def describe_event(entry: Entry) -> dict[str, Any]:
    """Return the promises of one event to producers and consumers."""
    return {
        "version": entry.version,
        "stream": entry.stream,
        "entity": entry.entity,
        "intake": entry.intake.value,
        "personal": dict(sorted(entry.personal.items())),
        "told": sorted(entry.derivable),
        "planned": entry.planned,
        "schema": entry.kind.model_json_schema(),
    }


def schema_document(name: str, event: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of one event's payload as a separate document."""
    head = {"$schema": DIALECT, "$id": f"urn:crm:event:{name}:{event['version']}"}
    title = f"{name} version {event['version']}"
    mark = {"x-planned": True} if event["planned"] else {}
    return {**head, **event["schema"], **mark, "title": title}
