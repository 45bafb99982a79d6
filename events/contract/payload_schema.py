"""The JSON Schemas of payloads: of published events, and of what producers may send."""

from typing import Any

from events.catalog import Entry
from events.event import MAX_HASHED_LENGTH, Event
from events.field_descriptions import DESCRIPTIONS
from events.sealed_member import SEALED

Schema = dict[str, Any]
PROPERTY_ID: Schema = {
    "type": "string",
    "format": "uuid",
    "description": "Id of the property, for producers that cannot send it as an attribute.",
}


def payload_schema(kind: type[Event], ref_template: str = "#/$defs/{model}") -> Schema:
    """Return the schema of an event's payload, with a description of every field."""
    schema = kind.model_json_schema(ref_template=ref_template)
    for part in (schema, *schema.get("$defs", {}).values()):
        for name, field in part.get("properties", {}).items():
            if "description" not in field and name in DESCRIPTIONS:
                field["description"] = DESCRIPTIONS[name]
    return schema


def mark_personal(schema: Schema, entry: Entry) -> None:
    """Mark each personal field with the field that has the id of its data subject."""
    for field, subject in entry.personal.items():
        schema["properties"][field]["x-personal-data-of"] = subject


SEALED_SCHEMA: Schema = {
    "type": "object",
    "description": "The personal values of the event, encrypted with the key of the data subject "
    "(AES-256-GCM). The fields that it contains are absent beside it.",
    "properties": {
        "fields": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Names of the encrypted fields that have a value.",
        },
        "key": {
            "type": "string",
            "format": "uuid",
            "description": "Id of the data key; absent if the subject was erased before.",
        },
        "value": {
            "type": "string",
            "contentEncoding": "base64",
            "description": "Nonce of 12 bytes and ciphertext of a JSON object with these fields.",
        },
    },
    "required": ["fields"],
    "additionalProperties": False,
}
"""The member of a published payload that has the personal values."""


def seal_personal(schema: Schema, entry: Entry, sealed: Schema) -> None:
    """Describe the published form of a payload: the personal fields are in the member `sealed`.

    A personal field is beside it only if it has no content.
    """
    if entry.personal:
        schema["properties"][SEALED] = sealed
        required = [name for name in schema.get("required", []) if name not in entry.personal]
        schema["required"] = required


def producer_schema(entry: Entry, ref_template: str = "#/$defs/{model}") -> Schema:
    """Return the schema of the data that a producer sends.

    Fields that the core can derive may be omitted. Kinds that only the core derives are not
    accepted. A value of which the core stores only a keyed hash is sent in clear. The property may
    be in the data instead of an attribute.
    """
    schema = payload_schema(entry.kind, ref_template)
    mark_personal(schema, entry)
    properties = {"property_id": PROPERTY_ID, **schema["properties"]}
    for name, values in entry.kind.producer_values.items():
        description = properties[name]["description"]
        properties[name] = {"type": "string", "enum": sorted(values), "description": description}
    for name, hash_name in entry.kind.hashed.items():
        del properties[hash_name]
        properties[name] = {
            "anyOf": [{"type": "string", "maxLength": MAX_HASHED_LENGTH}, {"type": "null"}],
            "description": DESCRIPTIONS[name],
        }
    definitions = {
        name: part
        for name, part in schema.pop("$defs", {}).items()
        if f"'{ref_template.format(model=name)}'" in str(properties)
    }
    required = [name for name in schema.get("required", []) if name not in entry.derivable]
    schema = {**schema, "properties": properties, "required": required}
    return {"$defs": definitions, **schema} if definitions else schema
