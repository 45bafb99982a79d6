"""The key ring of this process, as its settings say."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import asyncpg

from events.keys.ring import KeyRing, current_ring, use_ring
from services.runtime.database_settings import DatabaseSettings
from services.runtime.unkeyed_hashes import key_hashes

OpenStore: TypeAlias = Callable[[DatabaseSettings], Awaitable[asyncpg.Pool]]

_identity: tuple[object, ...] | None = None
"""The settings from which the present key ring was made."""


class KeyStorePools:
    """One pool of the key store's own database for each event loop, opened when it is needed."""

    def __init__(self, settings: DatabaseSettings, open_store: OpenStore) -> None:
        self._settings, self._open_store = settings, open_store
        self._pools: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Future[asyncpg.Pool]] = (
            WeakKeyDictionary()
        )

    async def __call__(self) -> asyncpg.Pool:
        loop = asyncio.get_running_loop()
        opening = self._pools.get(loop)
        if opening is None or (opening.done() and opening.exception() is not None):
            opening = asyncio.ensure_future(self._open_store(self._settings))
            self._pools[loop] = opening
        return await asyncio.shield(opening)


def use_keys(settings: DatabaseSettings, open_store: OpenStore) -> None:
    """Use the master keys and the key store of these settings in the whole process.

    Settings without a master key change nothing: what needs one raises `MasterKeyMissing`.
    """
    global _identity
    # A key ring is of one database. Its name is the same with each role and behind a pooler.
    database = urlsplit(settings.dsn).path
    identity = (settings.master_key, settings.master_key_file, settings.keys_url, database)
    if identity == _identity or (master_keys := settings.master_keys) is None:
        return
    store = settings.key_store
    use_ring(KeyRing(master_keys, None if store is None else KeyStorePools(store, open_store)))
    _identity = identity


async def prepare_keys(conn: asyncpg.Connection) -> None:
    """Make the key store ready, and key the hashes that are older than it.

    Raise `WrongMasterKey` if this process cannot unwrap its keys. A database that is not migrated
    yet has no keys: nothing is done then.
    """
    ring = current_ring()
    store = await ring.store_of(conn)
    if await store.fetchval("SELECT to_regclass('crm_keys.data_keys') IS NOT NULL"):
        await ring.prepare(conn)
        await key_hashes(conn, await ring.contact_key(conn))
