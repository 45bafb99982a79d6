"""The schema of the key store in a database of its own."""

from events.keys.errors import MasterKeyMissing
from events.log.erasures import require_erasures
from migrations.scripts import FOLDER, statements
from services.runtime.database import connect
from services.runtime.database_settings import DatabaseSettings
from services.runtime.keys import prepare_keys

SCRIPT = "0044_keys.sql"
"""The migration whose statements can be repeated, and that needs nothing else in the database."""


async def create_key_store(settings: DatabaseSettings) -> None:
    """Create the schema of the key store if CRM_KEYS_URL names a database, and its secret keys.

    Repeating it changes nothing. Without a master key no secret key is created: processes do it
    when they start. Raise `WrongMasterKey`.
    """
    if (store := settings.key_store) is not None:
        await create_schema(store.direct or store)
    if settings.master_keys is not None:
        await prepare_key_store(settings)


async def create_schema(store: DatabaseSettings) -> None:
    """Create the schema of the key store in the database of these settings."""
    conn = await connect(store, "crm db migrate", role=None)
    try:
        async with conn.transaction():
            for statement in statements((FOLDER / SCRIPT).read_text(encoding="utf-8")):
                await conn.execute(statement)
    finally:
        await conn.close()


async def prepare_key_store(settings: DatabaseSettings) -> None:
    """Make the key store ready. Raise `MasterKeyMissing` or `WrongMasterKey` if it cannot be."""
    if settings.master_keys is None:
        raise MasterKeyMissing
    conn = await connect(settings, "crm keys")
    try:
        await prepare_keys(conn)
    finally:
        await conn.close()


async def require_applied_erasures(settings: DatabaseSettings) -> None:
    """Raise `ErasuresLost` while the log lacks erasures whose keys are destroyed.

    A database that is not migrated yet has none.
    """
    conn = await connect(settings, "crm keys")
    try:
        if await conn.fetchval("SELECT to_regclass('crm.staged_changes') IS NOT NULL"):
            await require_erasures(conn)
    finally:
        await conn.close()
