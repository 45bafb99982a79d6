"""The view of the log for API keys, which names the columns of the log."""

import asyncpg

HIDDEN = {"seq", "digest"}
"""Columns of the log that no service needs: an order without meaning, and a fingerprint."""
_COLUMNS = """
    SELECT attname::text AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
    WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped
"""


async def read_columns(pool: asyncpg.Pool, relation: str) -> dict[str, str]:
    return {row["name"]: row["type"] for row in await pool.fetch(_COLUMNS, relation)}


async def test_the_view_for_api_keys_has_the_columns_of_the_log(owner_pool: asyncpg.Pool) -> None:
    """PostgreSQL refuses a change of their types before a migration has dropped the view.

    The migration must then create it again. A new column is added to the view or to `HIDDEN`.
    """
    log = await read_columns(owner_pool, "public.crm_events")
    view = await read_columns(owner_pool, "crm_api.key_events")
    assert view == {name: kind for name, kind in log.items() if name not in HIDDEN}
