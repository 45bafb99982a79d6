"""The reference of events: the AsyncAPI document of the contract, as pages for people."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from events.catalog import CATALOG
from events.contract.asyncapi import document
from events.event import Intake
from services.api.docs_page.schema_words import Schema, describe_type, make_example, resolve
from services.api.schemas import example

INTAKE_WORDS = {
    Intake.NO: "Only the core makes it. Producers cannot send it.",
    Intake.OBSERVED: "Producers may send it. It is appended as it is.",
    Intake.DECIDED: "Producers may send it. It is appended if the core's rules agree.",
}
PLANNED = "This event is planned: nothing makes it yet."


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an event's data. `in_intake` says how producers send it; None: not at all."""

    name: str
    type: str
    is_required: bool
    in_intake: str | None
    subject: str | None
    """The field with the id of the person whose personal data it is."""
    description: str


@dataclass(frozen=True, slots=True)
class EventReference:
    """An event with its fields, and how producers send it."""

    name: str
    stream: str
    version: int
    summary: str
    intake: str
    is_sent: bool
    fields: tuple[Field, ...]
    example: str


@dataclass(frozen=True, slots=True)
class Channel:
    """A topic, with its number of messages."""

    address: str
    title: str
    description: str
    messages: int


@functools.cache
def encoded_document() -> bytes:
    """Return the AsyncAPI document."""
    return orjson.dumps(_document(), option=orjson.OPT_INDENT_2)


@functools.cache
def list_channels() -> tuple[Channel, ...]:
    return tuple(
        Channel(found["address"], found["title"], found["description"], len(found["messages"]))
        for found in _document()["channels"].values()
    )


@functools.cache
def list_events() -> dict[str, tuple[EventReference, ...]]:
    """Return stream → its events, in the order of the catalog."""
    streams: dict[str, list[EventReference]] = {}
    for page in filter(None, map(describe_event, CATALOG)):
        streams.setdefault(page.stream, []).append(page)
    return {stream: tuple(pages) for stream, pages in streams.items()}


@functools.cache
def list_attributes() -> tuple[Field, ...]:
    """Return the attributes that every published event has beside its data."""
    schema = _schemas()["Published"]
    return tuple(_field(name, schema, None) for name in schema["properties"])


@functools.lru_cache(maxsize=1_000)
def describe_event(name: str) -> EventReference | None:
    """Return what is known about an event; None for a name that the catalog does not have."""
    entry = CATALOG.get(name)
    if entry is None:
        return None
    message, schema = _document()["components"]["messages"][name], _schemas()[name]
    sent = _schemas().get(f"sent.{name}")
    return EventReference(
        name, str(message["x-stream"]), int(message["x-schema-version"]), str(message["summary"]),
        PLANNED if entry.planned else INTAKE_WORDS[entry.intake], sent is not None,
        tuple(_field(field, schema, sent) for field in schema["properties"]),
        orjson.dumps(make_published_example(name), option=orjson.OPT_INDENT_2).decode(),
    )  # fmt: skip


def make_published_example(name: str) -> dict[str, Any]:
    """Return a record of the topic of events: attributes, and the required fields as data."""
    message = _document()["components"]["messages"][name]
    stream = str(message["x-stream"])
    return {
        **make_example(_schemas()["Published"], _schemas()),
        "type": name, "subject": f"{stream}/{example.ROW}", "position": "51260",
        "previous": "51240", "entitytype": stream, "schemaversion": message["x-schema-version"],
        "actor": f"user:{example.AGENT}",
        "data": make_example(_schemas()[name], _schemas()),
    }  # fmt: skip


def _field(name: str, schema: Schema, sent: Schema | None) -> Field:
    found = schema["properties"][name]
    in_intake = None
    if sent is not None and name in sent["properties"]:
        in_intake = "required" if name in sent.get("required", ()) else "optional"
    subject = found.get("x-personal-data-of")
    description = found.get("description") or resolve(found, _schemas()).get("description", "")
    return Field(
        name, describe_type(found, _schemas()), name in schema.get("required", ()), in_intake,
        subject and str(subject), str(description),
    )  # fmt: skip


def _schemas() -> Mapping[str, Schema]:
    schemas: Mapping[str, Schema] = _document()["components"]["schemas"]
    return schemas


@functools.cache
def _document() -> dict[str, Any]:
    return document()
