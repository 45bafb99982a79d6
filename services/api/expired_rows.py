"""Deletion of expired rows: command results, counters, stream tickets and taken places."""

import asyncio

import asyncpg

from events.log import commands
from services.api.auth import stream_tickets
from services.api.rate_limit import counters
from services.application import visitor_places
from services.runtime.database import CONNECTION_ERRORS, TRANSACTION_ERRORS
from services.runtime.logging import get_logger

PAUSE_SECONDS = 600.0
PAUSE_BETWEEN_BATCHES_SECONDS = 1.0

log = get_logger("api")


async def purge_expired_rows(pool: asyncpg.Pool) -> None:
    """Delete expired rows every ten minutes until cancelled, a bounded batch at a time.

    Nothing depends on the deletion: whoever reads such a row compares its expiry. So an error of
    the database is logged and the next round tries again.
    """
    while True:
        try:
            async with pool.acquire() as conn:
                while await commands.purge(conn) == commands.PURGE_AT_ONCE:
                    await asyncio.sleep(PAUSE_BETWEEN_BATCHES_SECONDS)
                while await counters.purge(conn) == counters.PURGE_AT_ONCE:
                    await asyncio.sleep(PAUSE_BETWEEN_BATCHES_SECONDS)
                while await stream_tickets.purge(conn) == stream_tickets.PURGE_AT_ONCE:
                    await asyncio.sleep(PAUSE_BETWEEN_BATCHES_SECONDS)
                while await visitor_places.purge(conn) == visitor_places.PURGE_AT_ONCE:
                    await asyncio.sleep(PAUSE_BETWEEN_BATCHES_SECONDS)
        except (*CONNECTION_ERRORS, *TRANSACTION_ERRORS) as error:
            log.warning("commands.purge_failed", error=error, is_retry=True)
        except asyncpg.PostgresError as error:
            log.error("commands.purge_failed", error=error, is_retry=True)
        await asyncio.sleep(PAUSE_SECONDS)
