"""The topics as an AsyncAPI 3 document, made of the same catalog as everything else."""

from typing import Any

from events.catalog import CATALOG, Entry
from events.contract.headers import KEYS, PUBLISHED, PUBLISHED_HEADERS, REFUSED, SENT
from events.event import Intake

Document = dict[str, Any]

_SCHEMAS = "#/components/schemas/"
_MESSAGES = "#/components/messages/"


def document(topic_prefix: str = "crm", release: str = "1.0.0") -> Document:
    """The whole AsyncAPI document."""
    taken = [entry for entry in CATALOG.values() if entry.intake is not Intake.NO]
    schemas: Document = {
        "Published": PUBLISHED,
        "PublishedHeaders": PUBLISHED_HEADERS,
        "SentHeaders": SENT,
        "RefusedHeaders": REFUSED,
    }
    messages: Document = {}
    for entry in CATALOG.values():
        schemas[entry.name] = _payload(entry, schemas)
        messages[entry.name] = _published(entry)
    for entry in taken:
        payload = entry.name
        if entry.told:
            payload = f"sent.{entry.name}"
            schemas[payload] = _sendable(schemas[entry.name], entry)
        messages[f"sent.{entry.name}"] = _sent(entry, payload)
    messages["dead-letter"] = {
        "name": "dead-letter",
        "title": "A refused record",
        "summary": "The record as it came, with why it was refused in headers of its own.",
        "contentType": "application/octet-stream",
        "headers": {"$ref": _SCHEMAS + "RefusedHeaders"},
        "payload": {"description": "The bytes of the record; left out where too large to copy."},
        "bindings": {"kafka": {"key": KEYS["dead_letters"]}},
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Leasing CRM",
            "version": release,
            "description": "The facts of the leasing CRM on Kafka, as CloudEvents 1.0.",
        },
        "defaultContentType": "application/json",
        "channels": _channels(topic_prefix, taken),
        "operations": _operations(taken),
        "components": {"schemas": schemas, "messages": messages},
    }


def _channels(prefix: str, taken: list[Entry]) -> Document:
    return {
        "events": {
            "address": f"{prefix}.events",
            "title": "Everything that happened",
            "description": (
                "CloudEvents in structured mode: one JSON document, the attributes beside `data`. "
                "Records of one key are in order; `previous` proves that none of a shard is "
                "missing. Correctness rests on positions, not on offsets."
            ),
            "messages": {name: {"$ref": _MESSAGES + name} for name in CATALOG},
        },
        "intake": {
            "address": f"{prefix}.intake",
            "title": "The door for producers",
            "description": (
                "CloudEvents in binary mode, or structured: the attributes without `ce_` beside "
                "`data` in a JSON object, content type `application/cloudevents+json`."
            ),
            "messages": {entry.name: {"$ref": f"{_MESSAGES}sent.{entry.name}"} for entry in taken},
        },
        "deadLetters": {
            "address": f"{prefix}.dead-letters",
            "title": "What the door refused",
            "description": "A copy; the table of dead letters is the truth.",
            "messages": {"dead-letter": {"$ref": _MESSAGES + "dead-letter"}},
        },
    }


def _operations(taken: list[Entry]) -> Document:
    return {
        "publishEvents": _operation("send", "events", list(CATALOG)),
        "takeIn": _operation("receive", "intake", [entry.name for entry in taken]),
        "copyDeadLetters": _operation("send", "deadLetters", ["dead-letter"]),
    }


def _operation(action: str, channel: str, messages: list[str]) -> Document:
    at = f"#/channels/{channel}"
    return {
        "action": action,
        "channel": {"$ref": at},
        "messages": [{"$ref": f"{at}/messages/{name}"} for name in messages],
    }


def _published(entry: Entry) -> Document:
    """A record of the relay: the attributes and the payload in one document."""
    data = {"$ref": _SCHEMAS + entry.name}
    own = {"properties": {"type": _only(entry.name), "data": data}, "required": ["data"]}
    return _message(
        entry,
        "events",
        content_type="application/cloudevents+json",
        headers={"$ref": _SCHEMAS + "PublishedHeaders"},
        payload={"allOf": [{"$ref": _SCHEMAS + "Published"}, own]},
    )


def _sent(entry: Entry, payload: str) -> Document:
    """A record of a producer in binary mode."""
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
    }


def _only(name: str) -> Document:
    return {"type": "string", "const": name}


def _payload(entry: Entry, schemas: Document) -> Document:
    """The event's schema, what it refers to moved to the shared schemas, personal fields marked."""
    schema = entry.kind.model_json_schema(ref_template=_SCHEMAS + "{model}")
    schemas.update(schema.pop("$defs", {}))
    for field, subject in entry.personal.items():
        schema["properties"][field]["x-personal-data-of"] = subject
    return schema


def _sendable(schema: Document, entry: Entry) -> Document:
    required = [field for field in schema["required"] if field not in entry.told]
    return {**schema, "required": required}
