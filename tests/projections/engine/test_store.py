"""The row store returns rows as they were written, with INSERT as with COPY."""

from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest

from projections.engine import store
from projections.engine.table_rows import TableRows
from projections.workflows import projection
from tests.world import make_world

ARRAYS: list[list[str] | None] = [
    None, [], ["leased"], ["", " ", 'a "quote"', "back\\slash", "{braces}", "a,b", "NULL", "🏠"],
]  # fmt: skip


@pytest.mark.parametrize("times", [1, store.COPY_FROM_ROWS])
async def test_an_array_of_any_texts_is_stored_unchanged(pool: asyncpg.Pool, times: int) -> None:
    world = await make_world(pool)
    rows, expected = TableRows(projection.table), {uuid4(): texts for texts in ARRAYS * times}
    rows.load(expected, {})
    at = datetime(2026, 3, 1, tzinfo=UTC)
    for key, texts in expected.items():
        rows.insert(key, {
            "id": key, "property_id": world.properties[0], "name": "x", "trigger_on": "x",
            "steps": [], "exit_conditions": texts, "created_at": at,
        })  # fmt: skip
    async with pool.acquire() as conn:
        for _ in range(2):
            async with conn.transaction():
                await conn.execute("SET LOCAL crm.engine = 'on'")
                await store.write(conn, {projection.table: rows.take_changes()})
            stored = await store.load(conn, projection.table, expected)
            assert {key: row["exit_conditions"] for key, row in stored.items()} == expected
            expected = {key: [*reversed(texts or ["new"])] for key, texts in expected.items()}
            for key, texts in expected.items():
                rows.update(key, exit_conditions=texts)
