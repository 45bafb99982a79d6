"""The start of a log generation: an operator ends a history that the bus knows and the log lost."""

from datetime import timedelta

from events.log.connection import Connection
from events.log.secret_keys import rotate_secret_key

MAX_GENERATION = 2**31 - 1


async def begin_generation(conn: Connection, generation: int) -> None:
    """Begin a generation of the log. Raises `ValueError` if its number is not a higher one.

    The relay publishes the whole log again with the new number, so that every consumer can start
    from the beginning. The key of the record digest is changed without an overlap: no record of a
    lost history can be verified any more. The epoch fences a relay of the former generation.
    Policies react to no event that had a position before.
    """
    async with conn.transaction():
        current: int = await conn.fetchval("SELECT generation FROM crm.log FOR UPDATE")
        if not current < generation <= MAX_GENERATION:
            raise ValueError(
                f"generation {generation} cannot follow {current}: give a number from "
                f"{current + 1} to {MAX_GENERATION}"
            )
        await conn.execute(
            "UPDATE crm.log SET generation = $1, generation_from = position, published = 0, "
            "relay_epoch = relay_epoch + 1, relay_lease_until = '-infinity'",
            generation,
        )
        await conn.execute("DELETE FROM crm.relay_partitions")
        await rotate_secret_key(conn, "record_digest", timedelta())
