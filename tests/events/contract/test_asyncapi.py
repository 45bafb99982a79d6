"""The AsyncAPI document holds together, and says what the bus really carries."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from jsonschema import Draft7Validator

from events.bus.topics import Topics
from events.bus.wire import Record, record_of
from events.catalog import CATALOG
from events.contract.asyncapi import document
from events.contract.headers import PUBLISHED, PUBLISHED_HEADERS
from events.event import Intake
from tests.events.frozen import CURRENT

DOCUMENT = document()
COMPONENTS = DOCUMENT["components"]


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def resolved(reference: str) -> Any:
    found: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def checker(part: str) -> Draft7Validator:
    """Of a part of the components: `schemas/<name>`, `messages/<name>/payload` …"""
    return Draft7Validator({"$ref": f"#/components/{part}", "components": COMPONENTS})


def published(name: str, payload: str, *, known: bool = True) -> Record:
    """The relay's own record: of a property, or with all that may be absent left out."""
    some = UUID(int=1) if known else None
    now = datetime(2026, 11, 22, 10, tzinfo=UTC)
    row = {
        "id": UUID(int=2),
        "entity_type": "lead",
        "entity_id": UUID(int=3),
        "version": 1,
        "shard": 5,
        "position": 9,
        "previous": 0,
        "event_type": name,
        "schema_version": 1,
        "org_id": UUID(int=4),
        "property_id": some,
        "lead_id": some,
        "occurred_at": now,
        "recorded_at": now,
        "actor": "operator",
        "origin": "live",
        "correlation_id": some,
        "causation_id": some,
        "payload": payload,
    }
    return record_of(row, UUID(int=6), 1)


def test_it_is_an_asyncapi_3_document() -> None:
    parsed = ApplicationSchema.model_validate(DOCUMENT)
    assert parsed.asyncapi == "3.0.0"
    assert set(DOCUMENT) == {
        "asyncapi",
        "info",
        "defaultContentType",
        "channels",
        "operations",
        "components",
    }


def test_every_reference_leads_somewhere() -> None:
    found = set(references(DOCUMENT))
    assert len(found) > len(CATALOG)
    for reference in found:
        assert resolved(reference)


def test_component_names_are_such_as_asyncapi_allows() -> None:
    for room in ("schemas", "messages"):
        for name in COMPONENTS[room]:
            assert re.fullmatch(r"[A-Za-z0-9._-]+", name)


@pytest.mark.parametrize("operation", DOCUMENT["operations"].values())
def test_an_operation_uses_messages_of_its_channel_only(operation: dict[str, Any]) -> None:
    assert operation["action"] in {"send", "receive"}
    channel = operation["channel"]["$ref"]
    for message in operation["messages"]:
        assert message["$ref"].startswith(f"{channel}/messages/")


def test_the_addresses_are_the_topics() -> None:
    addresses = {c["address"] for c in document("other")["channels"].values()}
    assert addresses == set(Topics.of("other"))


def test_the_bus_carries_every_event_and_the_intake_only_what_it_takes() -> None:
    channels = DOCUMENT["channels"]
    assert channels["events"]["messages"].keys() == CATALOG.keys()
    taken = {entry.name for entry in CATALOG.values() if entry.intake is not Intake.NO}
    assert channels["intake"]["messages"].keys() == taken


@pytest.mark.parametrize("name", CATALOG)
def test_payloads_on_the_bus_are_the_samples(name: str) -> None:
    Draft7Validator.check_schema(COMPONENTS["schemas"][name])
    checker(f"schemas/{name}").validate(CURRENT[name].said)


@pytest.mark.parametrize("name", CATALOG)
def test_a_record_of_the_relay_is_the_message_of_its_event_and_of_no_other(name: str) -> None:
    said = orjson.loads(published(name, CURRENT[name].payload.decode()).value)
    message = checker(f"messages/{name}/payload")
    message.validate(said)
    assert said["data"] == CURRENT[name].said
    assert not message.is_valid({**said, "type": "something.else"})
    assert not message.is_valid({**said, "data": {**said["data"], "unheard_of": 1}})
    for missing in ("data", *PUBLISHED["required"]):
        assert not message.is_valid({key: said[key] for key in said if key != missing})


def test_shared_schemas_do_not_hide_one_another() -> None:
    for entry in CATALOG.values():
        for name, schema in entry.kind.model_json_schema().get("$defs", {}).items():
            mine = {key: value for key, value in schema.items() if key != "properties"}
            shared = COMPONENTS["schemas"][name]
            assert mine == {key: value for key, value in shared.items() if key != "properties"}


@pytest.mark.parametrize(("name", "told"), [("engagement.recorded", "score_weight")])
def test_producers_may_leave_out_what_the_core_can_tell(name: str, told: str) -> None:
    sent = {field: value for field, value in CURRENT[name].said.items() if field != told}
    payload = resolved(COMPONENTS["messages"][f"sent.{name}"]["payload"]["$ref"])
    assert told not in payload["required"]
    checker(f"schemas/sent.{name}").validate(sent)
    assert not checker(f"schemas/{name}").is_valid(sent)


def test_personal_fields_are_marked_for_readers() -> None:
    email = COMPONENTS["schemas"]["lead.captured"]["properties"]["email"]
    assert email["x-personal-data-of"] == "lead_id"


@pytest.mark.parametrize("known", [True, False], ids=["property", "organisation"])
def test_attributes_and_headers_are_those_the_relay_writes(known: bool) -> None:
    record = published("lead.erased", CURRENT["lead.erased"].payload.decode(), known=known)
    headers = {name: value.decode() for name, value in record.headers}
    Draft7Validator(PUBLISHED_HEADERS).validate(headers)
    assert headers.keys() == PUBLISHED_HEADERS["properties"].keys()
    assert headers["content-type"] == COMPONENTS["messages"]["lead.erased"]["contentType"]
    said = orjson.loads(record.value)
    checker("messages/lead.erased/payload").validate(said)
    named = PUBLISHED["properties"].keys() if known else set(PUBLISHED["required"])
    assert said.keys() - {"data"} == named
