"""The AsyncAPI 3 document of the topics, generated from the catalog."""

from typing import Any

from events.catalog import CATALOG, Entry
from events.contract.headers import KEYS, OUTCOME, PUBLISHED, PUBLISHED_HEADERS, REFUSED, SENT
from events.contract.payload_schema import (
    SEALED_SCHEMA,
    mark_personal,
    payload_schema,
    producer_schema,
    seal_personal,
)
from events.event import Intake

Document = dict[str, Any]

_SCHEMAS = "#/components/schemas/"
_MESSAGES = "#/components/messages/"


def document(topic_prefix: str = "crm", release: str = "1.0.0") -> Document:
    """Return the AsyncAPI document."""
    accepted = [entry for entry in CATALOG.values() if entry.intake is not Intake.NO]
    schemas: Document = {
        "Published": PUBLISHED,
        "PublishedHeaders": PUBLISHED_HEADERS,
        "SentHeaders": SENT,
        "RefusedHeaders": REFUSED,
        "Sealed": SEALED_SCHEMA,
    }
    messages: Document = {}
    for entry in CATALOG.values():
        schemas[entry.name] = _payload(entry, schemas)
        messages[entry.name] = _published_message(entry)
    for entry in accepted:
        schema = producer_schema(entry, _SCHEMAS + "{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[f"sent.{entry.name}"] = schema
        messages[f"sent.{entry.name}"] = _producer_message(entry, f"sent.{entry.name}")
    messages["dead-letter"] = {
        "name": "dead-letter",
        "title": "A rejected record",
        "summary": "A rejected record, encrypted, with the rejection in the headers.",
        "contentType": "application/octet-stream",
        "headers": {"$ref": _SCHEMAS + "RefusedHeaders"},
        "payload": {"description": "The encrypted record. `crm dead show` opens it."},
        "bindings": {"kafka": {"key": KEYS["dead_letters"]}},
    }
    schemas["Outcome"] = OUTCOME
    messages["outcome"] = {
        "name": "outcome",
        "title": "The outcome of a record",
        "summary": "What became of a record of the intake: ids and codes, no personal data.",
        "contentType": "application/json",
        "payload": {"$ref": _SCHEMAS + "Outcome"},
        "bindings": {"kafka": {"key": KEYS["outcomes"]}},
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Leasing CRM",
            "version": release,
            "description": "The events of the leasing CRM on Kafka, as CloudEvents 1.0.",
        },
        "defaultContentType": "application/json",
        "channels": _channels(topic_prefix, accepted),
        "operations": _operations(accepted),
        "components": {"schemas": schemas, "messages": messages},
    }


def _channels(prefix: str, accepted: list[Entry]) -> Document:
    return {
        "events": {
            "address": f"{prefix}.events",
            "title": "All events",
            "description": (
                "CloudEvents in structured mode: one JSON document with attributes and `data`. "
                "Records with one key are in order. `previous` shows whether a record of the "
                "shard is missing. Consumers must rely on positions, not on offsets."
            ),
            "messages": {name: {"$ref": _MESSAGES + name} for name in CATALOG},
        },
        "intake": {
            "address": f"{prefix}.intake",
            "title": "Intake from producers",
            "description": (
                "CloudEvents in binary mode, or in structured mode: a JSON object with `data` and "
                "the attributes without `ce_`, content type `application/cloudevents+json`."
            ),
            "messages": {
                entry.name: {"$ref": f"{_MESSAGES}sent.{entry.name}"} for entry in accepted
            },
        },
        "deadLetters": {
            "address": f"{prefix}.dead-letters",
            "title": "Dead letters",
            "description": "Copies of dead letters. Their table is authoritative.",
            "messages": {"dead-letter": {"$ref": _MESSAGES + "dead-letter"}},
        },
        "outcomes": {
            "address": f"{prefix}.outcomes",
            "title": "Outcomes of intake records",
            "description": (
                "Copies of a table, for producers. Records with one key are in order. An outcome "
                "may come twice, and a waiting record gets another outcome later."
            ),
            "messages": {"outcome": {"$ref": _MESSAGES + "outcome"}},
        },
    }


def _operations(accepted: list[Entry]) -> Document:
    return {
        "publishEvents": _operation("send", "events", list(CATALOG)),
        "takeIn": _operation("receive", "intake", [entry.name for entry in accepted]),
        "copyDeadLetters": _operation("send", "deadLetters", ["dead-letter"]),
        "copyOutcomes": _operation("send", "outcomes", ["outcome"]),
    }


def _operation(action: str, channel: str, messages: list[str]) -> Document:
    at = f"#/channels/{channel}"
    return {
        "action": action,
        "channel": {"$ref": at},
        "messages": [{"$ref": f"{at}/messages/{name}"} for name in messages],
    }


def _published_message(entry: Entry) -> Document:
    """Return the message of a published record: attributes and payload in one document."""
    data = {"$ref": _SCHEMAS + entry.name}
    own = {"properties": {"type": _only(entry.name), "data": data}, "required": ["data"]}
    return _message(
        entry,
        "events",
        content_type="application/cloudevents+json",
        headers={"$ref": _SCHEMAS + "PublishedHeaders"},
        payload={"allOf": [{"$ref": _SCHEMAS + "Published"}, own]},
    )


def _producer_message(entry: Entry, payload: str) -> Document:
    """Return the message of a producer's record in binary mode."""
    own = {"properties": {"ce_type": _only(entry.name)}}
    return _message(
        entry,
        "intake",
        content_type="application/json",
        headers={"allOf": [{"$ref": _SCHEMAS + "SentHeaders"}, own]},
        payload={"$ref": _SCHEMAS + payload},
    )


def _message(
    entry: Entry, key: str, *, content_type: str, headers: Document, payload: Document
) -> Document:
    mark = {"x-planned": True} if entry.planned else {}
    return {
        "name": entry.name,
        "title": f"{entry.name} version {entry.version}",
        "summary": (entry.kind.__doc__ or "").strip().partition("\n")[0],
        "contentType": content_type,
        "tags": [{"name": entry.stream}],
        "headers": headers,
        "payload": payload,
        "bindings": {"kafka": {"key": KEYS[key]}},
        "x-schema-version": entry.version,
        "x-stream": entry.stream,
        "x-intake": entry.intake.value,
        **mark,
    }


def _only(name: str) -> Document:
    return {"type": "string", "const": name}


def _payload(entry: Entry, schemas: Document) -> Document:
    """Return the event's schema with marked personal fields; definitions move to `schemas`."""
    schema = payload_schema(entry.kind, _SCHEMAS + "{model}")
    schemas.update(schema.pop("$defs", {}))
    mark_personal(schema, entry)
    seal_personal(schema, entry, {"$ref": _SCHEMAS + "Sealed"})
    return schema
