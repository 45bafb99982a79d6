"""`response_times`: the time that the visitors of each conversation waited for replies.

The table is private to the core. A visitor's message waits for the earliest reply, of bot or agent,
among those with a higher position. If no reply of a conversation has an earlier time than a message
before it, that is the next reply, and sums are enough. Of other conversations the messages are read
instead.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Uuid, text

from events.conversations import (
    ConversationAdopted,
    ConversationAnswered,
    ConversationChannel,
    ConversationMessageAdopted,
    ConversationMessageReceived,
    ConversationReplied,
    ConversationStarted,
    MessageRole,
)
from events.operations import RetentionApplied
from events.record import RecordedEvent
from projections.columns import INSTANT
from projections.conversation_list import WIDGET_CHANNELS
from projections.engine.derived_table import METADATA, STATE_SCHEMA, DerivedTable, Row
from projections.engine.projection import Projection, Tables

TABLE = Table(
    "response_times",
    METADATA,
    Column("conversation_id", Uuid, primary_key=True),
    Column("org_id", Uuid, nullable=False),
    Column("property_id", Uuid, nullable=False),
    Column("is_of_widget", Boolean, nullable=False),
    Column("is_in_order", Boolean, nullable=False),
    Column("first_at", INSTANT),
    Column("last_at", INSTANT),
    Column("answered", Integer, nullable=False),
    Column("answered_microseconds", BigInteger, nullable=False),
    Column("waiting", Integer, nullable=False),
    Column("waiting_microseconds", BigInteger, nullable=False),
    Index("response_times_property", "property_id"),
    Index("response_times_not_in_order", "property_id", postgresql_where=text("NOT is_in_order")),
    schema=STATE_SCHEMA,
)
"""`first_at` and `last_at` are the earliest and the latest message, from the first one of the
visitor on. `answered` messages of the visitor waited `answered_microseconds` together. `waiting`
ones have no reply yet; the times from `first_at` to them are `waiting_microseconds` together."""
projection = Projection(
    "response_times",
    version=1,
    table=DerivedTable(TABLE, keyed_by=("conversation_id", "conversation_ids")),
)
MICROSECOND = timedelta(microseconds=1)
_NO_MESSAGE = {
    "first_at": None, "last_at": None, "answered": 0, "answered_microseconds": 0, "waiting": 0,
    "waiting_microseconds": 0,
}  # fmt: skip
"""The columns of a conversation without a message of the visitor, and of one not in order."""


@projection.on(ConversationStarted)
def start_conversation(tables: Tables, recorded: RecordedEvent, event: ConversationStarted) -> None:
    """Insert a row. Ignore a second start: a producer may report it twice."""
    if tables.rows.get(event.conversation_id) is None:
        _insert(tables, recorded, event.conversation_id, event.channel)


@projection.on(ConversationAdopted)
def adopt_conversation(tables: Tables, recorded: RecordedEvent, event: ConversationAdopted) -> None:
    if tables.rows.get(event.conversation_id) is None:
        _insert(tables, recorded, event.conversation_id, event.channel)
    else:
        is_of_widget = event.channel in WIDGET_CHANNELS
        tables.rows.update(event.conversation_id, is_of_widget=is_of_widget)


@projection.on(ConversationMessageReceived)
def add_message(
    tables: Tables, recorded: RecordedEvent, event: ConversationMessageReceived
) -> None:
    _add_message(_existing_row(tables, recorded, event.conversation_id), recorded.occurred_at)


@projection.on(ConversationReplied, ConversationAnswered)
def add_reply(
    tables: Tables, recorded: RecordedEvent, event: ConversationReplied | ConversationAnswered
) -> None:
    _add_reply(_existing_row(tables, recorded, event.conversation_id), recorded.occurred_at)


@projection.on(ConversationMessageAdopted)
def adopt_message(
    tables: Tables, recorded: RecordedEvent, event: ConversationMessageAdopted
) -> None:
    """Add a message of the host. A changed one may have another role, and then other replies."""
    row = _existing_row(tables, recorded, event.conversation_id)
    if event.edited:
        _mark(row)
    elif event.role is MessageRole.USER:
        _add_message(row, recorded.occurred_at)
    elif event.role is MessageRole.ASSISTANT:
        _add_reply(row, recorded.occurred_at)


@projection.on(RetentionApplied)
def delete_expired(tables: Tables, _recorded: RecordedEvent, event: RetentionApplied) -> None:
    for conversation_id in event.conversation_ids:
        tables.rows.delete(conversation_id)


def _insert(
    tables: Tables, recorded: RecordedEvent, conversation_id: UUID, channel: ConversationChannel
) -> None:
    row: Row = {
        "conversation_id": conversation_id,
        "org_id": recorded.org_id,
        "property_id": recorded.property_id,
        "is_of_widget": channel in WIDGET_CHANNELS,
        "is_in_order": True,
        **_NO_MESSAGE,
    }
    tables.rows.insert(conversation_id, row)


def _existing_row(tables: Tables, recorded: RecordedEvent, conversation_id: UUID) -> Row:
    """Return the row to change it; insert it again if retention has deleted it."""
    if tables.rows.get(conversation_id) is None:
        _insert(tables, recorded, conversation_id, ConversationChannel.WIDGET)
    return tables.rows.change(conversation_id)


def _mark(row: Row) -> None:
    row.update(is_in_order=False, **_NO_MESSAGE)


def _add_message(row: Row, at: datetime) -> None:
    if not row["is_in_order"]:
        return
    first_at = row["first_at"]
    if first_at is None:
        row["first_at"] = row["last_at"] = first_at = at
    elif at < first_at:
        row["waiting_microseconds"] += row["waiting"] * _microseconds(at, first_at)
        row["first_at"] = first_at = at
    elif at > row["last_at"]:
        row["last_at"] = at
    row["waiting"] += 1
    row["waiting_microseconds"] += _microseconds(first_at, at)


def _add_reply(row: Row, at: datetime) -> None:
    """Answer the waiting messages; a reply before the visitor's first message answers none."""
    first_at = row["first_at"]
    if first_at is None:
        return
    if at < row["last_at"]:
        _mark(row)
        return
    row["last_at"] = at
    if waiting := row["waiting"]:
        waited = waiting * _microseconds(first_at, at) - row["waiting_microseconds"]
        row["answered"] += waiting
        row["answered_microseconds"] += waited
        row["waiting"] = row["waiting_microseconds"] = 0


def _microseconds(begin: datetime, end: datetime) -> int:
    return (end - begin) // MICROSECOND
