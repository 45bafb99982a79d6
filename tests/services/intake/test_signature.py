"""Signatures of records, for a broker that several organisations share."""

import json
from collections.abc import Callable
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.application.raw_record import RawRecord
from services.intake.admission import Admission
from services.intake.settings import IntakeSettings
from services.intake.signature import sign
from services.runtime.clock import Clock
from services.runtime.cloud_events import Headers
from tests.services.intake.producer_records import binary_record, engagement_data, structured_record
from tests.world import World, make_world

SECRET = "a secret of thirty-two characters or more"


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


def make_signed_admission(world: World, monkeypatch: pytest.MonkeyPatch) -> Admission:
    keys = {
        "own": {"org": str(world.org_id), "secret": SECRET},
        "foreign": {"org": str(uuid4()), "secret": SECRET},
    }
    monkeypatch.setenv("CRM_INTAKE_KEYS", json.dumps(keys))
    return Admission(world.pool, IntakeSettings(), Clock())


def signed(record: RawRecord, key_id: str, secret: str = SECRET) -> RawRecord:
    header = sign(key_id, secret.encode(), record.headers, record.value or b"")
    return _with(record, (*record.headers, header), record.value)


def _with(record: RawRecord, headers: Headers, value: bytes | None) -> RawRecord:
    return RawRecord(
        record.topic, record.partition, record.offset, record.timestamp, record.key, value, headers
    )


async def capture_lead(world: World) -> UUID:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    return lead


async def test_a_record_signed_with_a_key_of_the_organisation_is_accepted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    admission = make_signed_admission(world, monkeypatch)
    record = binary_record(
        "engagement.recorded", engagement_data(await capture_lead(world)), world.properties[0]
    )
    [outcome] = await admission.admit([signed(record, "own")])
    assert outcome.status == "accepted"


@pytest.mark.parametrize("case", ["unsigned", "foreign", "forged", "value", "header", "twice"])
async def test_a_record_without_a_valid_signature_is_rejected(
    world: World, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    admission = make_signed_admission(world, monkeypatch)
    record = binary_record(
        "engagement.recorded", engagement_data(await capture_lead(world)), world.properties[0]
    )
    valid = signed(record, "own")
    signed_record = {
        "unsigned": record,
        "foreign": signed(record, "foreign"),
        "forged": signed(record, "own", "some other secret that is long enough"),
        "value": _with(valid, valid.headers, (valid.value or b"") + b" "),
        "header": _with(valid, (*valid.headers, ("ce_actor", b"user:1")), valid.value),
        "twice": signed(valid, "own"),
    }[case]
    [outcome] = await admission.admit([signed_record])
    assert (outcome.status, outcome.reason) == ("dead", "unsigned")


async def test_without_keys_no_signature_is_required(world: World) -> None:
    record = binary_record(
        "engagement.recorded", engagement_data(await capture_lead(world)), world.properties[0]
    )
    [outcome] = await Admission(world.pool, IntakeSettings(), Clock()).admit([record])
    assert outcome.status == "accepted"


@pytest.mark.parametrize("form", [binary_record, structured_record])
async def test_a_producer_key_cannot_sign_events_of_another_organisation(
    world: World, monkeypatch: pytest.MonkeyPatch, form: Callable[..., RawRecord]
) -> None:
    """It signs neither for a foreign property nor for a foreign lead in an own property."""
    foreign = await make_world(world.pool)
    lead = await capture_lead(foreign)
    keys = {"own": {"org": str(world.org_id), "secret": SECRET}}
    monkeypatch.setenv("CRM_INTAKE_KEYS", json.dumps(keys))
    admission = Admission(world.pool, IntakeSettings(wait_seconds=0), Clock())
    before = await foreign.count("crm_events")
    about_property = form("engagement.recorded", engagement_data(lead), foreign.properties[0])
    about_lead = form("engagement.recorded", engagement_data(lead), world.properties[0])
    new_lead = form(
        "lead.captured", {"lead_id": str(uuid4()), "source": "x"}, foreign.properties[0]
    )
    outcomes = await admission.admit(
        [signed(record, "own") for record in (about_property, about_lead, new_lead)]
    )
    assert [outcome.status for outcome in outcomes] == ["dead"] * 3
    assert [outcome.reason for outcome in outcomes][::2] == ["unsigned", "unsigned"]
    assert await foreign.count("crm_events") == before
