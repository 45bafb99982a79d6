"""Signatures, as a broker that organisations share demands them."""

import json
from collections.abc import Callable
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.intake.admission import Door
from services.intake.raw_record import Headers, Received
from services.intake.settings import IntakeSettings
from services.intake.signature import sign
from tests.services.intake.dead_letters import binary, opened, structured
from tests.world import World, make_world

SECRET = "a secret of sixteen or more"


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


def demanding(world: World, monkeypatch: pytest.MonkeyPatch) -> Door:
    keys = {
        "ours": {"org": str(world.org_id), "secret": SECRET},
        "theirs": {"org": str(uuid4()), "secret": SECRET},
    }
    monkeypatch.setenv("CRM_INTAKE_KEYS", json.dumps(keys))
    return Door(world.pool, IntakeSettings())


def signed(record: Received, key_id: str, secret: str = SECRET) -> Received:
    header = sign(key_id, secret.encode(), record.headers, record.value or b"")
    return _with(record, (*record.headers, header), record.value)


def _with(record: Received, headers: Headers, value: bytes | None) -> Received:
    return Received(
        record.topic, record.partition, record.offset, record.timestamp, record.key, value, headers
    )


async def known_lead(world: World) -> UUID:
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    return lead


async def test_a_record_signed_for_the_organisation_is_taken_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = demanding(world, monkeypatch)
    record = binary("engagement.recorded", opened(await known_lead(world)), world.properties[0])
    [outcome] = await door.take_in([signed(record, "ours")])
    assert outcome.fate == "accepted"


@pytest.mark.parametrize("how", ["unsigned", "foreign", "forged", "value", "header", "twice"])
async def test_a_record_that_nobody_signed_who_may_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    door = demanding(world, monkeypatch)
    record = binary("engagement.recorded", opened(await known_lead(world)), world.properties[0])
    good = signed(record, "ours")
    sent = {
        "unsigned": record,
        "foreign": signed(record, "theirs"),
        "forged": signed(record, "ours", "some other secret, also long"),
        "value": _with(good, good.headers, (good.value or b"") + b" "),
        "header": _with(good, (*good.headers, ("ce_actor", b"user:1")), good.value),
        "twice": signed(good, "ours"),
    }[how]
    [outcome] = await door.take_in([sent])
    assert (outcome.fate, outcome.reason) == ("dead", "unsigned")


async def test_without_keys_nothing_need_be_signed(world: World) -> None:
    record = binary("engagement.recorded", opened(await known_lead(world)), world.properties[0])
    [outcome] = await Door(world.pool, IntakeSettings()).take_in([record])
    assert outcome.fate == "accepted"


@pytest.mark.parametrize("form", [binary, structured])
async def test_with_ones_own_key_nothing_can_be_said_about_another_organisation(
    world: World, monkeypatch: pytest.MonkeyPatch, form: Callable[..., Received]
) -> None:
    """Neither about its property, nor about its lead by way of a property of one's own."""
    theirs = await make_world(world.pool)
    lead = await known_lead(theirs)
    keys = {"ours": {"org": str(world.org_id), "secret": SECRET}}
    monkeypatch.setenv("CRM_INTAKE_KEYS", json.dumps(keys))
    door = Door(world.pool, IntakeSettings(wait_seconds=0))
    before = await theirs.count("crm_events")
    about_house = form("engagement.recorded", opened(lead), theirs.properties[0])
    about_lead = form("engagement.recorded", opened(lead), world.properties[0])
    new_lead = form("lead.captured", {"lead_id": str(uuid4()), "source": "x"}, theirs.properties[0])
    outcomes = await door.take_in(
        [signed(record, "ours") for record in (about_house, about_lead, new_lead)]
    )
    assert [one.fate for one in outcomes] == ["dead"] * 3
    assert [one.reason for one in outcomes][::2] == ["unsigned", "unsigned"]
    assert await theirs.count("crm_events") == before
