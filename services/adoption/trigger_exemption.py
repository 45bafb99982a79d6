"""Exemption of the engine from the host's triggers, and the effect of each trigger."""

from collections.abc import Mapping, Sequence

import asyncpg

from events.log.connection import Connection
from projections.catalog import LIVE
from projections.engine.host_triggers import HostTrigger, read_host_triggers

LOCK_TIMEOUT = "5s"
"""A trigger is changed under a lock that waits for the host's transactions and delays new ones."""


async def read_triggers(conn: Connection) -> list[HostTrigger]:
    """Return the host's triggers on the tables that the engine writes."""
    return await read_host_triggers(conn, [t.live_name for t in LIVE.tables if t.is_in_place])


async def exempt_engine(conn: asyncpg.Connection) -> None:
    """Add a condition to the host's triggers, so that they do not fire for the engine.

    A trigger that the connection's role may not change stays as it is.
    """
    for trigger in await read_triggers(conn):
        if not trigger.fires_for_engine:
            continue
        try:
            async with conn.transaction():
                await conn.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                for statement in trigger.exemption:
                    await conn.execute(statement)
        except asyncpg.InsufficientPrivilegeError:
            continue


def describe_triggers(
    triggers: Sequence[HostTrigger], *, is_planned: bool
) -> list[Mapping[str, str]]:
    """Return for each trigger what it will do; `is_planned`: `exempt_engine` comes later."""
    return [
        {
            "table": trigger.table,
            "trigger": trigger.name,
            "fires": trigger.timing,
            "function": trigger.function,
            "effect": _effect(trigger, is_planned=is_planned),
        }
        for trigger in triggers
    ]


def _effect(trigger: HostTrigger, *, is_planned: bool) -> str:
    if not trigger.fires_for_engine:
        return "it does not fire for the core"
    statements = "; ".join(trigger.exemption)
    if is_planned:
        return f"`crm adopt` makes it not fire for the core, if it may: {statements}"
    if trigger.columns is None:
        written = "it can change any column of the row, so that `crm replay verify` may differ"
    elif trigger.columns:
        names = ", ".join(trigger.columns)
        written = f"it writes {names}: comparisons leave these columns out"
    else:
        written = "it does not change the row"
    return f"it fires for every row that the core writes; {written}; to stop that: {statements}"
