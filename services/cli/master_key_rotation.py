"""The work of `crm privacy rotate-master-key`."""

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from events.keys.ring import current_ring
from events.keys.rotation import count_old_keys, rewrap_batch
from services.runtime.database import connect
from services.runtime.database_settings import DatabaseSettings
from services.runtime.key_store import prepare_key_store
from services.runtime.terminal import progress_bar


async def rotate_master_key(settings: DatabaseSettings) -> int:
    """Wrap all keys of the store with the first master key; return how many had another one.

    Raises `MasterKeyMissing` and `WrongMasterKey`.
    """
    await prepare_key_store(settings)
    conn = await connect(settings, "crm privacy")
    try:
        ring = current_ring()
        count = 0
        columns = (
            TextColumn("keys"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        )  # fmt: skip
        with progress_bar(*columns) as progress:
            task = progress.add_task("keys", total=await count_old_keys(ring, conn))
            while done := await rewrap_batch(ring, conn):
                count += done
                progress.advance(task, done)
        return count
    finally:
        await conn.close()
