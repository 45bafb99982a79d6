"""JSON Schemas of the CloudEvents attributes and Kafka headers of records on the topics."""

from typing import Any

Schema = dict[str, Any]


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def _uuid(description: str) -> Schema:
    return _text(description, format="uuid")


def _decimal(description: str) -> Schema:
    return _text(description, pattern="^(0|[1-9][0-9]*)$")


def _integer(description: str, minimum: int, **more: Any) -> Schema:
    return {"type": "integer", "description": description, "minimum": minimum, **more}


def _optional(schema: Schema) -> Schema:
    """Return the schema of a value that may be null."""
    return {**schema, "type": [schema["type"], "null"]}


def _object(required: dict[str, Schema], optional: dict[str, Schema]) -> Schema:
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": True,
    }


_SPEC = {"type": "string", "const": "1.0", "description": "The version of CloudEvents."}
_INSTANT = "An instant, RFC 3339."

PUBLISHED_HEADERS = _object(
    {
        "content-type": {"type": "string", "const": "application/cloudevents+json"},
        "crm-digest": _text(
            "A keyed digest of the record, with which the core proves that its relay wrote it. "
            "The key never leaves the core: consumers outside the core ignore the header and rely "
            "on the access control of the broker.",
            pattern="^[0-9a-f-]{36}:[0-9a-f]{64}$",
        ),
    },
    {
        "traceparent": _text(
            "The trace of the event in the form of W3C Trace Context, to continue it in the "
            "consumer. It is no part of the digest. Older records have none.",
            pattern="^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$",
        ),
    },
)

PUBLISHED = _object(
    {
        "specversion": _SPEC,
        "id": _uuid("The event's id, which never changes."),
        "type": _text("The event's name."),
        "source": _text(
            "The log: `/crm/<log id>`. Records of another log must not be applied.",
            format="uri-reference",
        ),
        "subject": _text("`<entity type>/<entity id>`: the event's stream."),
        "time": _text(f"When the event happened. {_INSTANT}", format="date-time"),
        "datacontenttype": {"type": "string", "const": "application/json"},
        "recordedat": _text(
            f"When the event was appended to the log. {_INSTANT}", format="date-time"
        ),
        "generation": _integer("The log generation.", 1),
        "shard": _integer("Murmur2 of the key modulo 64.", 0, maximum=63),
        "position": _decimal("The number of the event in the whole log, without gaps."),
        "previous": _decimal("The previous position in the same shard, 0 for the first."),
        "entitytype": _text("The stream's type."),
        "entityid": _uuid("The stream's id."),
        "entityversion": _integer("The number of the event in its stream, from one.", 1),
        "schemaversion": _integer("The version of the schema of `data`.", 1),
        "orgid": _uuid("The organisation."),
        "actor": _text("Who caused the event: `user:<id>`, `visitor:<id>`, `producer:<name>` …"),
        "origin": _text(
            "How the event came into the log.", enum=["live", "import", "adopt", "correction"]
        ),
    },
    {
        "propertyid": _uuid("The property; absent for events of an organisation."),
        "leadid": _uuid("The lead that the event is about."),
        "correlationid": _uuid("The id of the process that the event belongs to."),
        "causationid": _uuid("The id of the event or command that caused it."),
    },
)

SENT = _object(
    {
        "ce_specversion": _SPEC,
        "ce_id": _text("Id from the producer: records with the same source and id are one event."),
        "ce_type": _text("The event's name."),
        "ce_source": _text("The producer.", format="uri-reference"),
        "ce_propertyid": _uuid("The property. The core takes the organisation from it."),
    },
    {
        "content-type": {"type": "string", "const": "application/json"},
        "ce_time": _text(
            f"When the event happened; now if omitted. {_INSTANT}", format="date-time"
        ),
        "ce_schemaversion": _decimal(
            "The version of the payload's schema; the current one if omitted."
        ),
        "ce_subject": _text("Any text; it is ignored."),
        "ce_correlationid": _uuid("The id of the process that the event belongs to."),
        "ce_causationid": _uuid("The id of the event or command that caused it."),
        "traceparent": _text(
            "The trace of the record in the form of W3C Trace Context. The event continues it; a "
            "header that is not valid is ignored."
        ),
    },
)

REFUSED = _object(
    {
        "crm-dead-letter-id": _uuid("The id in the table of dead letters."),
        "crm-reason": _text("The stable code of the reason."),
        "crm-origin": _text("The source of the record: `<topic>/<partition>/<offset>`."),
        "crm-first-at": _text(f"When it was first rejected. {_INSTANT}", format="date-time"),
    },
    {
        "crm-value-bytes": _decimal(
            "Size of the sealed content in bytes, where the copy omits it."
        ),
    },
)

OUTCOME = _object(
    {
        "status": _text(
            "What became of the record. `waiting`: its subject is unknown yet, or it is not its "
            "turn; another outcome follows.",
            enum=["accepted", "refused", "waiting"],
        ),
        "duplicate": {
            "type": "boolean",
            "description": "True if the event was accepted before, from another record.",
        },
        "reason": _optional(
            _text(
                "The stable code of a refusal, or `known_lead`: a lead of the property has the "
                "e-mail address already, its empty fields were filled, and `lead_id` is its id."
            )
        ),
        "source": _optional(_text("The CloudEvents source of the record.")),
        "id": _optional(_text("The CloudEvents id of the record.")),
        "type": _optional(_text("The event's name.")),
        "event_id": _optional(_uuid("The id of the event in the log.")),
        "org_id": _optional(_uuid("The organisation of the property.")),
        "property_id": _optional(_uuid("The property.")),
        "lead_id": _optional(_uuid("The lead that an accepted event is about.")),
        "topic": _text("The topic of the record."),
        "partition": _integer("The partition of the record.", 0),
        "offset": _integer("The offset of the record.", 0),
        "decided_at": _text(f"When the outcome was saved. {_INSTANT}", format="date-time"),
    },
    {},
)

KEYS = {
    "events": {
        "type": "string",
        "format": "uuid",
        "description": "The property id; the organisation id for events without a property.",
    },
    "intake": {
        "type": "string",
        "description": "The property id, which keeps the records of a property in order.",
    },
    "outcomes": {
        "type": "string",
        "description": "The CloudEvents source of the record; empty if it has none.",
    },
    "dead_letters": {"type": "string", "description": "The id of the dead letter."},
}
