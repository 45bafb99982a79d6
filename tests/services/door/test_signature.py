"""Signatures, as a broker that organisations share demands them."""

import json
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.door.accept import Door
from services.door.received import Headers, Received
from services.door.settings import DoorSettings
from services.door.signature import sign
from tests.services.door.letters import binary, opened
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
    return Door(world.pool, DoorSettings())


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
    [outcome] = await Door(world.pool, DoorSettings()).take_in([record])
    assert outcome.fate == "accepted"
