"""Changes of host rows are staged in the host's own transaction, and appended in order."""

from uuid import UUID, uuid4

import asyncpg
import pytest

from events.log import read
from events.log.shard import shard_of
from events.properties import OrganizationRecorded, ProfileRecorded, PropertyRecorded
from events.record import RecordedEvent, Stream
from tests.world import World, make_world


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


async def history(world: World, entity_type: str, entity_id: UUID) -> list[RecordedEvent]:
    await world.append_staged()
    async with world.pool.acquire() as conn:
        return await read.streams(conn, [Stream(entity_type, entity_id)])


async def test_a_new_property_is_an_event_with_its_settings(world: World) -> None:
    (property_id,) = world.properties
    (recorded,) = await history(world, "property", property_id)
    assert recorded.event == PropertyRecorded(
        property_id=property_id, display_name="Alder 0", address={},
        settings={"timezone": "America/New_York"}, deleted=False,
    )  # fmt: skip
    assert (recorded.org_id, recorded.property_id, recorded.version) == (
        world.org_id,
        property_id,
        1,
    )
    assert recorded.shard == shard_of(property_id)


async def test_each_change_and_the_deletion_of_a_row_is_the_next_version(world: World) -> None:
    profile = uuid4()
    async with world.pool.acquire() as conn:
        insert = "INSERT INTO profiles (id, org_id, full_name) VALUES ($1, $2, 'Grace \"H\"')"
        await conn.execute(insert, profile, world.org_id)
        await conn.execute("UPDATE profiles SET role = 'admin' WHERE id = $1", profile)
        await conn.execute("DELETE FROM profiles WHERE id = $1", profile)
    recorded_events = await history(world, "profile", profile)
    assert [recorded.version for recorded in recorded_events] == [1, 2, 3]
    changes = [
        recorded.event
        for recorded in recorded_events
        if isinstance(recorded.event, ProfileRecorded)
    ]
    assert [(event.role, event.deleted) for event in changes] == [
        ("viewer", False), ("admin", False), ("admin", True),
    ]  # fmt: skip
    assert recorded_events[0].property_id is None
    assert recorded_events[0].shard == shard_of(world.org_id)


async def test_a_rolled_back_change_is_no_event(world: World) -> None:
    async with world.pool.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        await conn.execute("UPDATE organizations SET name = 'Other'")
        await transaction.rollback()
    (recorded,) = await history(world, "organization", world.org_id)
    assert isinstance(recorded.event, OrganizationRecorded)
    assert recorded.event.display_name == "Acme"


async def test_a_property_cannot_change_its_organisation(world: World) -> None:
    other = await make_world(world.pool)
    async with world.pool.acquire() as conn:
        with pytest.raises(asyncpg.RaiseError, match="another organisation"):
            await conn.execute(
                "UPDATE properties SET org_id = $1 WHERE id = $2", other.org_id, world.properties[0]
            )
        with pytest.raises(asyncpg.RaiseError, match="org_id"):
            await conn.execute("INSERT INTO properties (id, name) VALUES ($1, 'x')", uuid4())


@pytest.mark.parametrize("protected", [True, False])
async def test_without_the_database_trigger_a_change_is_no_event(
    world: World, owner_pool: asyncpg.Pool, protected: bool
) -> None:
    async with owner_pool.acquire() as conn:
        if not protected:
            await conn.execute("ALTER TABLE properties DISABLE TRIGGER crm_record")
        await conn.execute("UPDATE properties SET name = 'Renamed'")
    recorded_events = await history(world, "property", world.properties[0])
    assert len(recorded_events) == (2 if protected else 1)
