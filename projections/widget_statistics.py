"""Statistics of a property's widget in a time range, computed from the tables."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from projections import conversations, response_averages, sessions, tours, widget_persons
from projections.conversation_list import WIDGET_CHANNELS
from projections.widget_persons import TimeRange


def of_property(property_id: UUID, begin: datetime | None, end: datetime | None) -> "Select[Any]":
    """Select one row: sessions, converted, conversations, leads, tours, response_seconds.

    Rows created at or after `begin` and before `end` are counted. `leads` are those of the sessions
    and those that the widget captured without a session; `converted` are the first only. Each
    person counts once. Tours are those that visitors booked themselves. `response_seconds` is null
    if nobody replied.
    """
    time_range = TimeRange(property_id, begin, end)
    session, conversation, tour = sessions.TABLE, conversations.TABLE, tours.TABLE
    counts = {
        "sessions": select(func.count()).select_from(session).where(*time_range.of(session)),
        "conversations": select(func.count())
        .select_from(conversation)
        .where(*time_range.of(conversation), conversation.c.channel.in_(WIDGET_CHANNELS)),
        "tours": select(func.count())
        .select_from(tour)
        .where(*time_range.of(tour), tour.c.created_by.is_(None)),
        "response_seconds": response_averages.average_seconds(time_range),
    }
    persons = widget_persons.count(time_range).subquery("persons")
    return select(persons, *(query.scalar_subquery().label(name) for name, query in counts.items()))
