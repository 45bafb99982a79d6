"""Checkpoints of a group that starts at the head of the log."""

from events.log.connection import Connection


async def create_at_heads(conn: Connection, group: str, version: str, generation: int) -> None:
    """Insert the missing checkpoint rows of a group that starts at the shard heads.

    Move the rows of another generation to where this one began: what was numbered before may have
    been applied in a history that is lost. The new owner epoch fences their owners.
    """
    await conn.execute(
        "INSERT INTO crm.checkpoints (projection_group, shard, version, generation, position) "
        "SELECT $1, shard, $2, $3, position FROM crm.shards ON CONFLICT DO NOTHING",
        group,
        version,
        generation,
    )
    await conn.execute(
        "UPDATE crm.checkpoints c SET version = $2, generation = $3, "
        "owner_epoch = owner_epoch + 1, position = CASE WHEN generation = $3 THEN c.position "
        "ELSE coalesce((SELECT max(e.position) FROM public.crm_events e WHERE e.shard = c.shard "
        "AND e.position <= (SELECT generation_from FROM crm.log)), 0) END "
        "WHERE projection_group = $1 AND (version, generation) IS DISTINCT FROM ($2, $3)",
        group,
        version,
        generation,
    )
