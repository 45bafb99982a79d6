"""What a property's widget has brought in a range of time: measured from the tables."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Subquery, Table, distinct, extract, func, select

from projections import conversations, leads, messages, sessions, tours
from projections.conversation_list import WIDGET_CHANNELS


def of_property(property_id: UUID, begin: datetime | None, end: datetime | None) -> "Select[Any]":
    """One row: sessions, conversations, leads, tours, response_seconds (null: nobody answered).

    Counted is what began at or after `begin` and before `end`. Leads are those the sessions belong
    to, each person once; tours are those that visitors booked themselves.
    """

    def began(table: Table) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = [table.c.property_id == property_id]
        if begin is not None:
            found.append(table.c.created_at >= begin)
        if end is not None:
            found.append(table.c.created_at < end)
        return found

    session, persons = sessions.TABLE, _persons(property_id)
    person = persons.c
    tour, held = tours.TABLE, conversations.TABLE
    answers = _answers(began(messages.TABLE)).c
    waited = extract("epoch", answers.answered_at - answers.asked_at)
    return (
        select(
            func.count().label("sessions"),
            func.count(distinct(func.coalesce(person.winner_id, session.c.lead_id))).label("leads"),
            _count(
                select(func.count())
                .select_from(held)
                .where(*began(held), held.c.channel.in_(WIDGET_CHANNELS)),
                "conversations",
            ),
            _count(
                select(func.count())
                .select_from(tour)
                .where(*began(tour), tour.c.created_by.is_(None)),
                "tours",
            ),
            _count(
                select(func.avg(func.greatest(waited, 0)))
                .join(held, held.c.id == answers.conversation_id)
                .where(
                    answers.role == "user",
                    answers.answered_at.is_not(None),
                    held.c.channel.in_(WIDGET_CHANNELS),
                ),
                "response_seconds",
            ),
        )
        .select_from(session.outerjoin(persons, person.lead_id == session.c.lead_id))
        .where(*began(session))
    )


def _persons(property_id: UUID) -> "Subquery":
    """The leads that were merged away, each with the lead at the end of its chain."""
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


def _answers(mine: list[ColumnElement[bool]]) -> "Subquery":
    """Each message with the instant of the next answer to its conversation, bot's or agent's.

    Read backwards, so that a long conversation is gone through once.
    """
    said = messages.TABLE.c
    answered_at = (
        func.min(said.created_at)
        .filter(said.role == "assistant")
        .over(partition_by=said.conversation_id, order_by=said.position.desc(), rows=(None, -1))
    )
    return (
        select(
            said.conversation_id, said.role, said.created_at.label("asked_at"),
            answered_at.label("answered_at"),
        )
        .where(*mine)
        .subquery("answers")
    )  # fmt: skip


def _count(query: "Select[Any]", name: str) -> "ColumnElement[Any]":
    return query.scalar_subquery().label(name)
