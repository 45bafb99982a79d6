"""Rows of conversations as lists of the console show them."""

from datetime import datetime
from typing import Any

from projections import conversation_list


def summarize_conversation(row: Any) -> dict[str, Any]:
    """Return a conversation of `conversation_list` with its lead and its last message."""
    last_message = None
    if row.last_role is not None:
        last_message = {
            "content": conversation_list.shorten(row.last_content), "role": row.last_role,
            "created_at": row.last_at,
        }  # fmt: skip
    return {
        "id": row.id, "channel": row.channel, "created_at": row.created_at,
        "is_human_mode": row.is_human_mode, "human_agent_id": row.human_agent_id,
        "human_agent_name": row.human_agent_name, "waiting_for_human": row.waiting_for_human,
        "waiting_since": waiting_since(row), "lead": lead_of_conversation(row),
        "messageCount": row.message_count, "lastMessage": last_message,
    }  # fmt: skip


def waiting_since(row: Any) -> datetime | None:
    """Return since when a visitor waits for a person; None if the visitor does not wait.

    A conversation may wait without a message: then it waits since its last one, or its begin.
    """
    since: datetime | None = row.unanswered_since
    if row.waiting_for_human:
        return since or row.last_at or row.created_at
    return since if row.is_human_mode else None


def lead_of_conversation(row: Any) -> dict[str, Any] | None:
    """Return the lead of a conversation's row; None while the visitor is unknown."""
    if row["lead_id"] is None:
        return None
    return {name: row[f"lead_{name}"] for name in conversation_list.LEAD_FIELDS}
