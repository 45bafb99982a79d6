"""Secret keys: random, readable by workers only, and rotated with an overlap."""

import asyncio
from datetime import timedelta
from typing import get_args

import asyncpg
import pytest

from events.log.secret_keys import KEY_BYTES, Purpose, load_secret_keys, rotate_secret_key
from tests.conftest import until

PURPOSES: tuple[Purpose, ...] = get_args(Purpose)


async def test_the_migration_makes_one_random_key_for_each_purpose(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        keys = [await load_secret_keys(conn, purpose) for purpose in PURPOSES]
    assert [len(of_purpose) for of_purpose in keys] == [1] * len(PURPOSES)
    values = {key.key for of_purpose in keys for key in of_purpose}
    assert len(values) == len(PURPOSES)
    assert {len(value) for value in values} == {KEY_BYTES}


async def test_the_new_key_of_a_rotation_comes_first_and_the_other_stays_valid(
    pool: asyncpg.Pool,
) -> None:
    async with pool.acquire() as conn:
        (before,) = await load_secret_keys(conn, "session_token")
        new = await rotate_secret_key(conn, "session_token", timedelta(hours=1))
        assert await load_secret_keys(conn, "session_token") == [new, before]
        newest = await rotate_secret_key(conn, "session_token", timedelta(hours=1))
        assert await load_secret_keys(conn, "session_token") == [newest, new, before]
        assert len(await load_secret_keys(conn, "visitor_id")) == 1


async def test_the_former_key_is_not_valid_after_the_overlap(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        new = await rotate_secret_key(conn, "record_digest", timedelta(milliseconds=200))

        async def only_the_new_key() -> bool:
            return await load_secret_keys(conn, "record_digest") == [new]

        await until(only_the_new_key)
        # A longer overlap of a later rotation does not make a retired key valid again.
        newest = await rotate_secret_key(conn, "record_digest", timedelta(days=1))
        assert await load_secret_keys(conn, "record_digest") == [newest, new]


async def test_two_rotations_at_once_leave_one_key_that_is_not_retired(pool: asyncpg.Pool) -> None:
    async def rotate() -> None:
        async with pool.acquire() as conn:
            await rotate_secret_key(conn, "record_digest", timedelta(days=1))

    for _ in range(5):
        await asyncio.gather(*(rotate() for _ in range(4)))
    count = "SELECT count(*) FROM crm.secret_keys WHERE purpose = $1 AND retired_at IS NULL"
    assert await pool.fetchval(count, "record_digest") == 1


async def test_without_a_valid_key_the_error_says_what_to_do(owner_pool: asyncpg.Pool) -> None:
    async with owner_pool.acquire() as conn:
        await conn.execute("DELETE FROM crm.secret_keys WHERE purpose = 'visitor_id'")
        with pytest.raises(RuntimeError, match="no valid visitor_id key"):
            await load_secret_keys(conn, "visitor_id")


@pytest.mark.parametrize("role", ["anon", "authenticated"])
async def test_api_roles_cannot_read_keys(pool: asyncpg.Pool, role: str) -> None:
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute(f"SET LOCAL ROLE {role}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.fetch("SELECT key FROM crm.secret_keys")


@pytest.mark.parametrize(
    "statement", ["DELETE FROM crm.secret_keys", "UPDATE crm.secret_keys SET key = key"]
)
async def test_a_worker_cannot_delete_or_change_a_key(pool: asyncpg.Pool, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute(statement)


async def test_the_text_form_of_a_key_does_not_show_it(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as conn:
        (key,) = await load_secret_keys(conn, "record_digest")
    assert str(key.id) in repr(key)
    assert repr(key.key) not in repr(key)
