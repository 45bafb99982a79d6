"""The schemas of payloads: every field is described, and producers have schemas of their own."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import jsonschema
import pytest

from events.activities import REPORTED_ACTIVITIES, ActivityType
from events.catalog import CATALOG
from events.contract.asyncapi import document
from events.contract.describe import contract, producer_schemas
from events.engagements import DERIVED_ENGAGEMENT, EngagementType
from events.event import Intake
from events.field_descriptions import DESCRIPTIONS
from services.application.producer_record import read_producer_record
from services.application.rejection import RejectedRecord
from tests.events.frozen import CURRENT
from tests.services.intake.producer_records import binary_record

ACCEPTED = sorted(entry.name for entry in CATALOG.values() if entry.intake is not Intake.NO)


def fields() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (event, field, schema) for each field of each payload, nested ones too."""
    for name, event in contract()["events"].items():
        schema = event["schema"]
        for part in (schema, *schema.get("$defs", {}).values()):
            for field, field_schema in part.get("properties", {}).items():
                yield name, field, field_schema


def test_every_payload_field_has_a_description() -> None:
    missing = [f"{name}.{field}" for name, field, schema in fields() if not schema["description"]]
    assert missing == []
    shared = document()["components"]["schemas"]
    for name in CATALOG:
        for field, schema in shared[name]["properties"].items():
            described = shared[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
            assert described["description"], f"{name}.{field}"


def test_every_shared_description_is_used() -> None:
    sent_in_clear = {field for entry in CATALOG.values() for field in entry.kind.hashed}
    assert DESCRIPTIONS.keys() - {field for _, field, _ in fields()} == sent_in_clear


def is_valid(name: str, data: dict[str, Any]) -> bool:
    """Return whether the schema for producers allows these data."""
    schema = producer_schemas()[f"{name}.v{CATALOG[name].version}.json"]
    checker = jsonschema.FormatChecker()
    valid: bool = jsonschema.Draft202012Validator(schema, format_checker=checker).is_valid(data)
    return valid


def is_read(name: str, data: dict[str, Any]) -> bool:
    """Return whether the intake can read a record with these data."""
    try:
        read_producer_record(binary_record(name, data, uuid4()))
    except RejectedRecord:
        return False
    return True


def test_exactly_the_types_that_the_intake_accepts_have_a_schema_for_producers() -> None:
    assert sorted(name.partition(".v")[0] for name in producer_schemas()) == ACCEPTED
    messages = document()["components"]["messages"]
    for name in ACCEPTED:
        payload = messages[f"sent.{name}"]["payload"]
        assert payload == {"$ref": f"#/components/schemas/sent.{name}"}


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_schema_and_the_intake_agree_on_what_may_be_left_out(name: str) -> None:
    kind = CATALOG[name].kind
    data: dict[str, Any] = dict(CURRENT[name].fields)
    data |= {field: min(values) for field, values in kind.producer_values.items()}
    for field, hash_field in kind.hashed.items():
        assert not is_valid(name, data)
        assert not is_read(name, data)
        data[field] = data.pop(hash_field)
    assert is_valid(name, data)
    assert is_read(name, data)
    assert is_valid(name, {**data, "property_id": str(uuid4())})
    for wrong in ({**data, "sneezed": True}, {**data, kind.entity: "none"}):
        assert not is_valid(name, wrong)
        assert not is_read(name, wrong)
    for field in data:
        rest = {key: value for key, value in data.items() if key != field}
        assert is_valid(name, rest) is is_read(name, rest), field


@pytest.mark.parametrize("kind", list(EngagementType))
def test_the_schema_and_the_intake_agree_on_the_engagements_of_producers(kind: str) -> None:
    data = {"engagement_id": str(uuid4()), "lead_id": str(uuid4()), "event_type": kind}
    is_accepted = kind not in DERIVED_ENGAGEMENT
    assert is_valid("engagement.recorded", data) is is_accepted
    assert is_read("engagement.recorded", data) is is_accepted


@pytest.mark.parametrize("kind", list(ActivityType))
def test_the_schema_and_the_intake_agree_on_the_activities_of_producers(kind: str) -> None:
    data = {"activity_id": str(uuid4()), "lead_id": str(uuid4()), "type": kind}
    is_accepted = kind in REPORTED_ACTIVITIES
    assert is_valid("activity.recorded", data) is is_accepted
    assert is_read("activity.recorded", data) is is_accepted
