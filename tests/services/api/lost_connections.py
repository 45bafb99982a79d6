"""Loss of the API's database connections."""

import asyncpg


async def terminate_api_connections(owner_pool: asyncpg.Pool) -> int:
    """Terminate the API's connections to this database and return their number.

    Only the owner sees and may end the connections of the login role. Behind a pooler, the name of
    the application belongs to a transaction.
    """
    async with owner_pool.acquire() as conn:
        rows = await conn.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name IN ('crm api', '') AND datname = current_database() "
            "AND pid <> pg_backend_pid()"
        )
    return len(rows)
