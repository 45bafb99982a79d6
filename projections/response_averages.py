"""The average time that visitors of a widget waited for replies, in a time range."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Subquery,
    and_,
    extract,
    false,
    func,
    not_,
    or_,
    select,
    union_all,
)

from projections import messages
from projections.response_times import TABLE
from projections.widget_persons import TimeRange


def average_seconds(time_range: TimeRange) -> "Select[Any]":
    """Select the average in conversations of the widget; null if nobody replied.

    Only the messages in the range count, and only the replies in it. Of a conversation that is
    partly in the range, and of one that is not in order, the messages are read.
    """
    times = TABLE.c
    of_property = and_(times.property_id == time_range.property_id, times.is_of_widget)
    is_cut = _is_cut(time_range)
    whole = select(
        times.answered.label("answered"), times.answered_microseconds.label("sum")
    ).where(of_property, times.is_in_order, *_is_whole(time_range))
    read = select(times.conversation_id).where(of_property, or_(not_(times.is_in_order), is_cut))
    replies = _replies(time_range, read).c
    waited = func.greatest(extract("epoch", replies.replied_at - replies.sent_at), 0)
    cut = select(func.count(), func.sum(waited) * 1_000_000).where(
        replies.role == "user", replies.replied_at.is_not(None)
    )
    both = union_all(whole, cut).subquery("both").c
    return select(func.sum(both.sum) / 1_000_000 / func.nullif(func.sum(both.answered), 0))


def _is_whole(time_range: TimeRange) -> list[ColumnElement[bool]]:
    """Return the conditions that all messages of a conversation are in the range."""
    conditions: list[ColumnElement[bool]] = []
    if time_range.begin is not None:
        conditions.append(TABLE.c.first_at >= time_range.begin)
    if time_range.end is not None:
        conditions.append(TABLE.c.last_at < time_range.end)
    return conditions


def _is_cut(time_range: TimeRange) -> ColumnElement[bool]:
    """Return the condition that messages of a conversation are on both sides of an edge."""
    first_at, last_at = TABLE.c.first_at, TABLE.c.last_at
    edges = [edge for edge in (time_range.begin, time_range.end) if edge is not None]
    return or_(false(), *(and_(first_at < edge, last_at >= edge) for edge in edges))


def _replies(time_range: TimeRange, conversation_ids: "Select[Any]") -> Subquery:
    """Select the messages of conversations, each with the instant of its reply, of bot or agent.

    The window runs from the newest message to the oldest, so it reads a conversation once.
    """
    message = messages.TABLE.c
    replied_at = (
        func.min(message.created_at)
        .filter(message.role == "assistant")
        .over(
            partition_by=message.conversation_id, order_by=message.position.desc(), rows=(None, -1)
        )
    )
    columns = (message.conversation_id, message.role, message.created_at.label("sent_at"))
    return (
        select(*columns, replied_at.label("replied_at"))
        .where(*time_range.of(messages.TABLE), message.conversation_id.in_(conversation_ids))
        .subquery("replies")
    )
