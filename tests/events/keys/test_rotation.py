"""The rotation of the master key, while events are appended and read."""

import asyncio
import base64
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.keys import rotation
from events.keys.master import MasterKeys, WrongMasterKey, parse_master_keys
from events.keys.ring import KeyRing, current_ring
from events.keys.rotation import count_old_keys, rewrap_batch
from events.leads import LeadNoted
from events.log import read
from events.record import Stream
from services.cli.main import run
from services.privacy.signature import sign
from services.runtime.settings import Settings
from tests.conftest import use_database
from tests.events.keys.loaded_keys import forget_keys
from tests.world import World, make_world

PAYLOADS = "SELECT string_agg(payload::text, '' ORDER BY seq) FROM crm_events"
NEW = base64.b64encode(b"n" * 32).decode()


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


@pytest.fixture
def both(world: World, settings: Settings) -> MasterKeys:
    """Return the new master key with the old one behind it."""
    assert settings.master_key is not None
    return parse_master_keys(f"{NEW},{settings.master_key.get_secret_value()}")


async def add_note(world: World) -> UUID:
    lead = uuid4()
    await world.append(world.new(LeadNoted(lead_id=lead, note=str(lead))))
    return lead


async def read_note(world: World, lead: UUID) -> object:
    async with world.pool.acquire() as conn:
        [recorded] = await read.streams(conn, [Stream("lead", lead)])
    return recorded.event


async def rotate(world: World) -> int:
    count = 0
    while done := await rewrap_batch(current_ring(), world.pool):
        count += done
    return count


async def test_after_a_rotation_the_old_master_key_is_not_needed(
    world: World, monkeypatch: pytest.MonkeyPatch, both: MasterKeys
) -> None:
    monkeypatch.setattr(rotation, "BATCH_KEYS", 2)
    leads = [await add_note(world) for _ in range(5)]
    signed = await sign(world.pool, {"a": 1})
    payloads = await world.pool.fetchval(PAYLOADS)
    forget_keys(monkeypatch, both)
    assert await count_old_keys(current_ring(), world.pool) == 5 + 2
    assert await rotate(world) == 5 + 2
    assert await count_old_keys(current_ring(), world.pool) == 0
    forget_keys(monkeypatch, parse_master_keys(NEW))
    await current_ring().prepare(world.pool)
    assert await sign(world.pool, {"a": 1}) == signed
    for lead in leads:
        assert await read_note(world, lead) == LeadNoted(lead_id=lead, note=str(lead))
    assert payloads == await world.pool.fetchval(PAYLOADS)


async def test_events_are_appended_and_read_during_a_rotation(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch, both: MasterKeys
) -> None:
    """Other processes still encrypt with the old master key: the rotation also finds these keys."""
    monkeypatch.setattr(rotation, "BATCH_KEYS", 1)
    assert settings.master_key is not None
    old = KeyRing(parse_master_keys(f"{settings.master_key.get_secret_value()},{NEW}"))
    leads = [await add_note(world) for _ in range(10)]
    forget_keys(monkeypatch, both)
    rotating = asyncio.create_task(rotate(world))
    monkeypatch.setattr("events.log.append_state.current_ring", lambda: old)
    leads += [await add_note(world) for _ in range(10)]
    await rotating
    await rotate(world)
    forget_keys(monkeypatch, parse_master_keys(NEW))
    for lead in leads:
        assert await read_note(world, lead) == LeadNoted(lead_id=lead, note=str(lead))


async def test_a_master_key_that_is_not_the_key_store_s_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = await add_note(world)
    forget_keys(monkeypatch, parse_master_keys(NEW))
    for work in (
        current_ring().prepare(world.pool), read_note(world, lead), add_note(world), rotate(world),
    ):  # fmt: skip
        with pytest.raises(WrongMasterKey, match="add the missing key after the first one"):
            await work


async def test_the_command_rotates_and_shows_no_key(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    await add_note(world)
    assert settings.master_key is not None
    old = settings.master_key.get_secret_value()
    use_database(monkeypatch, settings)
    for keys, code in ((NEW, 1), (f"{NEW},{old}", 0), (NEW, 0)):
        monkeypatch.setenv("CRM_MASTER_KEY", keys)
        assert await asyncio.to_thread(run, ["privacy", "rotate-master-key"]) == code
    output = "".join(capsys.readouterr())
    assert "3 keys are now" in output
    assert NEW not in output
    assert old not in output
