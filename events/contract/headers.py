"""What the records on the topics say of themselves: CloudEvents attributes and Kafka headers."""

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
    {"content-type": {"type": "string", "const": "application/cloudevents+json"}}, {}
)

PUBLISHED = _object(
    {
        "specversion": _SPEC,
        "id": _uuid("The event's id, for ever."),
        "type": _text("The event's name."),
        "source": _text(
            "The log: `/crm/<log id>`; records of another are not ours.", format="uri-reference"
        ),
        "subject": _text("`<entity type>/<entity id>`: the event's stream."),
        "time": _text(f"When it happened. {_INSTANT}", format="date-time"),
        "datacontenttype": {"type": "string", "const": "application/json"},
        "recordedat": _text(f"When the log took it. {_INSTANT}", format="date-time"),
        "generation": _integer("The life of the log.", 1),
        "shard": _integer("Murmur2 of the key modulo 64.", 0, maximum=63),
        "position": _decimal("The place in the whole log, without gaps."),
        "previous": _decimal("The position before this one in its shard, 0 for the first."),
        "entitytype": _text("The stream's type."),
        "entityid": _uuid("The stream's id."),
        "entityversion": _integer("The place in the stream, from one.", 1),
        "schemaversion": _integer("The version of the schema of `data`.", 1),
        "orgid": _uuid("The organisation."),
        "actor": _text("Who said it: `user:<id>`, `visitor:<id>`, `producer:<name>` …"),
        "origin": _text("How it came.", enum=["live", "import", "adopt", "correction"]),
    },
    {
        "propertyid": _uuid("The property; absent for an organisation's own facts."),
        "leadid": _uuid("The lead it is about."),
        "correlationid": _uuid("What it belongs to."),
        "causationid": _uuid("What it follows from."),
    },
)

SENT = _object(
    {
        "ce_specversion": _SPEC,
        "ce_id": _text("Yours: with the source it makes the event one event, however often sent."),
        "ce_type": _text("The event's name."),
        "ce_source": _text("Who you are.", format="uri-reference"),
        "ce_propertyid": _uuid("The property; its organisation is looked up, never sent."),
    },
    {
        "content-type": {"type": "string", "const": "application/json"},
        "ce_time": _text(f"When it happened; left out: now. {_INSTANT}", format="date-time"),
        "ce_schemaversion": _decimal("The version of the payload's schema; left out: today's."),
        "ce_subject": _text("Anything; not read."),
        "ce_correlationid": _uuid("What it belongs to."),
        "ce_causationid": _uuid("What it follows from."),
    },
)

REFUSED = _object(
    {
        "crm-dead-letter-id": _uuid("Its id in the table of dead letters."),
        "crm-reason": _text("A stable key of the reason."),
        "crm-detail": _text("The reason in words, and what to do about it."),
        "crm-origin": _text("Where it came from: `<topic>/<partition>/<offset>`."),
        "crm-first-at": _text(f"When it was first refused. {_INSTANT}", format="date-time"),
    },
    {
        "crm-value-bytes": _decimal("How large the value was, where it is left out."),
        "crm-headers-bytes": _decimal("How large its own headers were, where they are left out."),
        "crm-key-bytes": _decimal("How large the key was, where it is left out."),
    },
)

KEYS = {
    "events": {
        "type": "string",
        "format": "uuid",
        "description": "The property id; the organisation id for what is above properties.",
    },
    "intake": {"type": "string", "description": "The property id keeps your order."},
    "dead_letters": {"type": "string", "description": "The record's own key."},
}
