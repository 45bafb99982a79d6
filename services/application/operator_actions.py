"""Actions of operators: who did what to the whole installation, when and why.

Actions on a property are events instead. A row is written in the transaction of the action.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from events.log.connection import Connection

MAX_REASON_CHARACTERS = 1_000


async def record_action(
    conn: Connection,
    action_id: UUID,
    operator_id: UUID,
    action: str,
    target: Mapping[str, Any],
    reason: str,
) -> bool:
    """Store an action; return False if it is stored already, so that it must not be repeated.

    `action_id` is the command id of the form. `target` has ids and names, no personal value.
    """
    is_new = await conn.fetchval(
        "INSERT INTO crm.operator_actions (id, operator_id, action, target, reason) "
        "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING RETURNING true",
        action_id,
        operator_id,
        action,
        dict(target),
        reason[:MAX_REASON_CHARACTERS],
    )
    return bool(is_new)


async def has_recent_action(
    conn: Connection, operator_id: UUID, action: str, target: Mapping[str, Any], minutes: int
) -> bool:
    """Return whether a person did this to this target in the last minutes."""
    found: bool = await conn.fetchval(
        "SELECT EXISTS (SELECT FROM crm.operator_actions "
        "WHERE acted_at > clock_timestamp() - make_interval(mins => $4) AND operator_id = $1 "
        "AND action = $2 AND target = $3)",
        operator_id,
        action,
        dict(target),
        minutes,
    )
    return found
