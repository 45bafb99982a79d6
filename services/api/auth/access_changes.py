"""Notifications of the database that a role was changed or a widget key revoked.

A lost notification costs nothing but time: `LookupCache` forgets everything after two seconds.
"""

import asyncio
from typing import Any

import asyncpg

from services.api.auth.lookups import LookupCache
from services.runtime.database import CONNECTION_ERRORS, connect
from services.runtime.logging import get_logger
from services.runtime.settings import Settings

CHANNEL = "crm_access"
PAUSE_SECONDS = 2.0
"""Pause before a lost connection is opened again."""

log = get_logger("access")


async def follow_access_changes(settings: Settings, *caches: LookupCache[Any, Any]) -> None:
    """Clear the caches at each notification, until cancelled.

    Without an address that gives a session, because there is only a pooler, return at once.
    """
    direct = settings.direct
    if direct is None:
        return

    def clear(*_: object) -> None:
        for cache in caches:
            cache.clear()

    while True:
        try:
            conn = await connect(direct, "crm api access")
            closed = asyncio.Event()
            conn.add_termination_listener(lambda _, event=closed: event.set())
            try:
                await conn.add_listener(CHANNEL, clear)
                clear()  # a change between two connections was not announced here
                await closed.wait()
            finally:
                conn.terminate()
        except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
            log.warning("access.listening_failed", error=type(error).__name__, is_retry=True)
        await asyncio.sleep(PAUSE_SECONDS)
