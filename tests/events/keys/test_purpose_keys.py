"""The keys of purposes, such as contact hashes: read once, unless they can be rolled back."""

import asyncio

import asyncpg
import pytest

from events.claims import contact_value
from events.keys import ring
from events.keys.ring import CONTACT_HASH, KeyRing, current_ring
from tests.events.keys.loaded_keys import forget_keys
from tests.world import World, make_world


@pytest.fixture
async def world(pool: asyncpg.Pool) -> World:
    return await make_world(pool)


async def remove_key(pool: asyncpg.Pool) -> None:
    """Remove the key of contact hashes, as in a store that is new. Its role may not delete."""
    await pool.execute("UPDATE crm_keys.secret_keys SET purpose = 'old' WHERE purpose = $1",
                       CONTACT_HASH)  # fmt: skip


async def test_a_key_is_read_once(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_keys(monkeypatch)
    statements: list[str] = []
    async with pool.acquire() as conn:
        with conn.query_logger(lambda record: statements.append(record.query)):
            keys = {await current_ring().contact_key(conn) for _ in range(3)}
            await asyncio.sleep(0)  # the driver reports a query in the next turn of the loop
    assert len(keys) == 1
    # Behind a pooler, BEGIN and COMMIT are statements too.
    assert len([text for text in statements if "crm_keys" in text]) == 1


async def test_a_key_is_read_again_when_its_lifespan_has_passed(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring, "LIFESPAN_SECONDS", -1)
    forget_keys(monkeypatch)
    before = await current_ring().contact_key(pool)
    await remove_key(pool)
    assert await current_ring().contact_key(pool) != before


async def test_a_key_that_is_rolled_back_is_not_used_any_more(
    pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_keys(monkeypatch)
    await remove_key(pool)
    async with pool.acquire() as conn:
        transaction = conn.transaction()
        await transaction.start()
        lost = {await current_ring().contact_key(conn) for _ in range(2)}
        await transaction.rollback()
    assert len(lost) == 1
    stored = await current_ring().contact_key(pool)
    assert stored not in lost
    assert await KeyRing(current_ring().master_keys).contact_key(pool) == stored


async def test_appends_hash_contacts_with_the_same_key_before_and_after_it_is_loaded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_keys(monkeypatch)
    emails = ("first@example.com", "second@example.com")
    for number, email in enumerate(emails):
        assert current_ring().has_contact_key == (number > 0)
        await world.append(world.new(world.captured(email=email)))
    forget_keys(monkeypatch)
    key = await current_ring().contact_key(world.pool)
    rows = await world.pool.fetch("SELECT value FROM crm.claims WHERE kind = 'lead.email'")
    assert {row["value"] for row in rows} == {contact_value(email, key) for email in emails}
