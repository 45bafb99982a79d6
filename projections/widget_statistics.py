"""Statistics of a property's widget in a time range, computed from the tables."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    Subquery,
    Table,
    and_,
    distinct,
    exists,
    extract,
    func,
    select,
    union,
)

from events.widgets import CHAT_SOURCE, TOUR_SOURCE
from projections import conversations, leads, messages, sessions, tours
from projections.conversation_list import WIDGET_CHANNELS

WIDGET_SOURCES = (CHAT_SOURCE, TOUR_SOURCE)


def of_property(property_id: UUID, begin: datetime | None, end: datetime | None) -> "Select[Any]":
    """Select one row: sessions, converted, conversations, leads, tours, response_seconds.

    Rows created at or after `begin` and before `end` are counted. `leads` are those of the sessions
    and those that the widget captured without a session; `converted` are the first only. Each
    person counts once. Tours are those that visitors booked themselves. `response_seconds` is null
    if nobody replied.
    """

    def in_range(table: Table) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = [table.c.property_id == property_id]
        if begin is not None:
            conditions.append(table.c.created_at >= begin)
        if end is not None:
            conditions.append(table.c.created_at < end)
        return conditions

    session, persons = sessions.TABLE, _persons(property_id)
    person = persons.c
    tour, conversation = tours.TABLE, conversations.TABLE
    replies = _replies(in_range(messages.TABLE)).c
    waited = extract("epoch", replies.replied_at - replies.sent_at)
    return (
        select(
            func.count().label("sessions"),
            func.count(distinct(func.coalesce(person.winner_id, session.c.lead_id))).label(
                "converted"
            ),
            _count(_leads(in_range, persons), "leads"),
            _count(
                select(func.count())
                .select_from(conversation)
                .where(*in_range(conversation), conversation.c.channel.in_(WIDGET_CHANNELS)),
                "conversations",
            ),
            _count(
                select(func.count())
                .select_from(tour)
                .where(*in_range(tour), tour.c.created_by.is_(None)),
                "tours",
            ),
            _count(
                select(func.avg(func.greatest(waited, 0)))
                .join(conversation, conversation.c.id == replies.conversation_id)
                .where(
                    replies.role == "user",
                    replies.replied_at.is_not(None),
                    conversation.c.channel.in_(WIDGET_CHANNELS),
                ),
                "response_seconds",
            ),
        )
        .select_from(session.outerjoin(persons, person.lead_id == session.c.lead_id))
        .where(*in_range(session))
    )


def _leads(
    in_range: Callable[[Table], list[ColumnElement[bool]]], persons: "Subquery"
) -> "Select[Any]":
    """Select the number of persons that the widget brought, with a session or without one."""
    session, tour, lead = sessions.TABLE, tours.TABLE, leads.TABLE
    other_session = session.alias("other_session").c
    has_no_session = ~exists().where(other_session.lead_id == lead.c.id)
    booked = select(tour.c.lead_id).where(*in_range(tour), tour.c.created_by.is_(None))
    brought = union(
        select(session.c.lead_id.label("lead_id")).where(
            *in_range(session), session.c.lead_id.is_not(None)
        ),
        select(lead.c.id).where(
            lead.c.id.in_(booked) | and_(*in_range(lead), lead.c.source.in_(WIDGET_SOURCES)),
            has_no_session,
        ),
    ).subquery("brought")
    person = func.coalesce(persons.c.winner_id, brought.c.lead_id)
    return select(func.count(distinct(person))).select_from(
        brought.outerjoin(persons, persons.c.lead_id == brought.c.lead_id)
    )


def _persons(property_id: UUID) -> "Subquery":
    """Select the merged leads, each with its surviving lead."""
    lead, above, top = leads.TABLE, leads.TABLE.alias("above"), leads.TABLE.alias("top")
    chain = (
        select(lead.c.id.label("lead_id"), lead.c.merged_into.label("winner_id"))
        .where(lead.c.property_id == property_id, lead.c.merged_into.is_not(None))
        .cte("chain", recursive=True)
    )
    chain = chain.union(
        select(chain.c.lead_id, above.c.merged_into)
        .join(above, above.c.id == chain.c.winner_id)
        .where(above.c.merged_into.is_not(None))
    )
    return (
        select(chain.c.lead_id, chain.c.winner_id)
        .join(top, top.c.id == chain.c.winner_id)
        .where(top.c.merged_into.is_(None))
        .subquery("persons")
    )


def _replies(conditions: list[ColumnElement[bool]]) -> "Subquery":
    """Select each message with the instant of the next reply, of bot or agent.

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
    return (
        select(
            message.conversation_id, message.role, message.created_at.label("sent_at"),
            replied_at.label("replied_at"),
        )
        .where(*conditions)
        .subquery("replies")
    )  # fmt: skip


def _count(query: "Select[Any]", name: str) -> "ColumnElement[Any]":
    return query.scalar_subquery().label(name)
