"""Change marks of widget sessions: cheap values that show whether a session has changed."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from projections import conversations


def change_marks(session_ids: Sequence[UUID]) -> "Select[Any]":
    """Select for each session values that change with each message and each takeover.

    Columns: the session id, then values that are only compared.
    """
    columns = conversations.TABLE.c
    return (
        select(
            columns.widget_session_id, func.count(), func.sum(columns.message_count),
            func.sum(columns.takeover_epoch), func.bool_or(columns.waiting_for_human),
            func.bool_or(columns.is_human_mode),
        )
        .where(columns.widget_session_id.in_(session_ids))
        .group_by(columns.widget_session_id)
    )  # fmt: skip
