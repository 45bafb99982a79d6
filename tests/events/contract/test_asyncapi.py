"""The AsyncAPI document is consistent and describes the records on the topics."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from jsonschema import Draft7Validator

from events.bus.digest import RecordDigest
from events.bus.topics import Topics
from events.bus.wire import KafkaRecord, record_of
from events.catalog import CATALOG
from events.codec import decode, serialize
from events.contract.asyncapi import document
from events.contract.headers import PUBLISHED, PUBLISHED_HEADERS
from events.event import Intake
from events.keys.data_key import DataKey
from events.log.secret_keys import KEY_BYTES, SecretKey
from events.personal import personal_content
from events.sealed_payload import seal
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


EVENT_ID = UUID(int=2)
DATA_KEY = DataKey(UUID(int=8), UUID(int=3), bytes(32))


def resolve(reference: str) -> Any:
    part: Any = DOCUMENT
    for key in reference.removeprefix("#/").split("/"):
        part = part[key]
    return part


def validator(part: str) -> Draft7Validator:
    """Return the validator of a component: `schemas/<name>`, `messages/<name>/payload` …"""
    return Draft7Validator({"$ref": f"#/components/{part}", "components": COMPONENTS})


def published(name: str, payload: str, *, with_optional: bool = True) -> KafkaRecord:
    """Return the relay's record of an event, with or without the optional attributes."""
    optional_id = UUID(int=1) if with_optional else None
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
        "property_id": optional_id,
        "lead_id": optional_id,
        "occurred_at": now,
        "recorded_at": now,
        "actor": "operator",
        "origin": "live",
        "correlation_id": optional_id,
        "causation_id": optional_id,
        "trace_context": bytes(15) + b"\x01" if with_optional else None,
        "payload": payload,
    }
    log_id = UUID(int=6)
    digest = RecordDigest("crm.events", log_id, [SecretKey(UUID(int=7), bytes(KEY_BYTES))])
    return digest.sign(record_of(row, log_id, 1))


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


def test_every_reference_can_be_resolved() -> None:
    all_references = set(references(DOCUMENT))
    assert len(all_references) > len(CATALOG)
    for reference in all_references:
        assert resolve(reference)


def test_component_names_have_only_allowed_characters() -> None:
    for section in ("schemas", "messages"):
        for name in COMPONENTS[section]:
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


def test_the_intake_channel_has_only_events_that_producers_may_send() -> None:
    channels = DOCUMENT["channels"]
    assert channels["events"]["messages"].keys() == CATALOG.keys()
    accepted = {entry.name for entry in CATALOG.values() if entry.intake is not Intake.NO}
    assert channels["intake"]["messages"].keys() == accepted


@pytest.mark.parametrize("name", CATALOG)
def test_the_sample_of_an_event_matches_its_schema(name: str) -> None:
    Draft7Validator.check_schema(COMPONENTS["schemas"][name])
    validator(f"schemas/{name}").validate(CURRENT[name].fields)


@pytest.mark.parametrize("name", CATALOG)
def test_a_record_of_the_relay_matches_the_message_of_its_event_only(name: str) -> None:
    value = orjson.loads(published(name, CURRENT[name].payload.decode()).value)
    message = validator(f"messages/{name}/payload")
    message.validate(value)
    assert value["data"] == CURRENT[name].fields
    assert not message.is_valid({**value, "type": "something.else"})
    assert not message.is_valid({**value, "data": {**value["data"], "unknown_field": 1}})
    for missing in ("data", *PUBLISHED["required"]):
        assert not message.is_valid({key: value[key] for key in value if key != missing})


@pytest.mark.parametrize("key", [DATA_KEY, None], ids=["encrypted", "erased"])
@pytest.mark.parametrize("name", [name for name, entry in CATALOG.items() if entry.personal])
def test_a_record_with_encrypted_values_matches_its_message(name: str, key: DataKey | None) -> None:
    sample = CURRENT[name]
    event = decode(name, sample.version, sample.payload)
    fields = personal_content(event) or list(CATALOG[name].personal)[:1]
    clear = orjson.dumps({**dict.fromkeys(fields), **orjson.loads(serialize(event))})
    payload = seal(name, EVENT_ID, clear, fields, key)
    value = orjson.loads(published(name, payload.decode()).value)
    message = validator(f"messages/{name}/payload")
    message.validate(value)
    del value["data"]["sealed"]["fields"]
    assert not message.is_valid(value)


def test_events_with_the_same_definition_name_share_one_definition() -> None:
    for entry in CATALOG.values():
        for name, schema in entry.kind.model_json_schema().get("$defs", {}).items():
            own = {key: value for key, value in schema.items() if key != "properties"}
            shared = COMPONENTS["schemas"][name]
            assert own == {key: value for key, value in shared.items() if key != "properties"}


@pytest.mark.parametrize(("name", "derivable"), [("engagement.recorded", "score_weight")])
def test_producers_may_omit_derivable_fields(name: str, derivable: str) -> None:
    sent = {field: value for field, value in CURRENT[name].fields.items() if field != derivable}
    payload = resolve(COMPONENTS["messages"][f"sent.{name}"]["payload"]["$ref"])
    assert derivable not in payload["required"]
    validator(f"schemas/sent.{name}").validate(sent)
    assert not validator(f"schemas/{name}").is_valid(sent)


def test_personal_fields_are_marked() -> None:
    email = COMPONENTS["schemas"]["lead.captured"]["properties"]["email"]
    assert email["x-personal-data-of"] == "lead_id"


@pytest.mark.parametrize("with_optional", [True, False])
def test_a_record_of_the_relay_has_the_documented_attributes_and_headers(
    with_optional: bool,
) -> None:
    record = published(
        "lead.erased", CURRENT["lead.erased"].payload.decode(), with_optional=with_optional
    )
    headers = {name: value.decode() for name, value in record.headers}
    Draft7Validator(PUBLISHED_HEADERS).validate(headers)
    names = "properties" if with_optional else "required"
    assert headers.keys() == set(PUBLISHED_HEADERS[names])
    assert headers["content-type"] == COMPONENTS["messages"]["lead.erased"]["contentType"]
    value = orjson.loads(record.value)
    validator("messages/lead.erased/payload").validate(value)
    documented = PUBLISHED["properties"].keys() if with_optional else set(PUBLISHED["required"])
    assert value.keys() - {"data"} == documented
