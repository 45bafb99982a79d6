"""The catalog as JSON data: the contract that is released and compared with the next one."""

from collections.abc import Iterable
from typing import Any

from events.catalog import CATALOG, Entry
from events.contract.payload_schema import payload_schema, producer_schema
from events.event import Intake

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
        "schema": payload_schema(entry.kind),
    }


def producer_schemas(
    entries: Iterable[Entry] = tuple(CATALOG.values()),
) -> dict[str, dict[str, Any]]:
    """Return file name → the JSON Schema of the data that producers send, as a document."""
    documents: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if entry.intake is not Intake.NO:
            name = f"{entry.name}.v{entry.version}.json"
            head = {"$schema": DIALECT, "$id": f"urn:crm:intake:{entry.name}:{entry.version}"}
            title = f"{entry.name} version {entry.version}, as producers send it"
            mode = {"x-intake": entry.intake.value}
            documents[name] = {**head, **producer_schema(entry), **mode, "title": title}
    return documents


def schema_document(name: str, event: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of one event's payload as a separate document."""
    head = {"$schema": DIALECT, "$id": f"urn:crm:event:{name}:{event['version']}"}
    title = f"{name} version {event['version']}"
    mark = {"x-planned": True} if event["planned"] else {}
    return {**head, **event["schema"], **mark, "title": title}
