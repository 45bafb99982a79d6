"""The console's list of conversations: each with its lead and its last message."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, or_, select, true, tuple_

from projections import conversations, host, leads, messages

PREVIEW_CHARACTERS = 50
WIDGET_CHANNELS = ("widget", "chat")
"""The channels of the widget on the property's site."""
LEAD_FIELDS = ("id", "first_name", "last_name", "email", "phone", "status")


def newest(
    property_id: UUID,
    limit: int,
    *,
    lead_ids: Sequence[UUID] = (),
    of_widget: bool = False,
    before: UUID | None = None,
) -> "Select[Any]":
    """Select the newest conversations of a property, or of some of its leads.

    With `before`, select the newest of those that began before that conversation.
    """
    columns = conversations.TABLE.c
    query = _of_property(property_id)
    if lead_ids:
        query = query.where(columns.lead_id.in_(lead_ids))
    if of_widget:
        query = query.where(columns.channel.in_(WIDGET_CHANNELS))
    if before is not None:
        end = conversations.TABLE.alias("end").c
        begin = select(end.created_at, end.id).where(end.property_id == property_id)
        begin = begin.where(end.id == before).correlate(None)
        query = query.where(tuple_(columns.created_at, columns.id) < begin.scalar_subquery())
    return _with_details(query.order_by(columns.created_at.desc(), columns.id.desc()).limit(limit))


def waiting(property_id: UUID, limit: int) -> "Select[Any]":
    """Select the conversations that wait for a person, those that began last first.

    The visitor waits if the bot gave up, or if an agent is in charge and has not replied yet.
    """
    columns, message = conversations.TABLE.c, messages.TABLE.c
    last_role = (
        select(message.role)
        .where(message.conversation_id == columns.id, message.role != "system")
        .order_by(message.position.desc())
        .limit(1)
        .correlate(conversations.TABLE)
        .scalar_subquery()
    )
    query = _of_property(property_id).where(
        conversations.IN_PERSON, or_(columns.waiting_for_human, last_role == "user")
    )
    return _with_details(query.order_by(columns.created_at.desc(), columns.id.desc()).limit(limit))


def by_id(property_id: UUID, conversation_id: UUID) -> "Select[Any]":
    """Select one conversation of a property."""
    return _with_details(
        _of_property(property_id).where(conversations.TABLE.c.id == conversation_id)
    )


def _of_property(property_id: UUID) -> "Select[Any]":
    columns = conversations.TABLE.c
    return select(conversations.TABLE).where(
        columns.property_id == property_id, columns.org_id.is_not(None)
    )


def _with_details(query: "Select[Any]") -> "Select[Any]":
    """Add columns to a page, whose limit is applied first.

    These are `lead_…`, `last_…`, `human_agent_name`, and `unanswered_since`: the first message of
    the visitor that nobody replied to.
    """
    page, lead, message = query.subquery("page"), leads.TABLE.c, messages.TABLE.c
    agent, reply = host.PROFILES, messages.TABLE.alias("reply").c
    last = (
        select(
            message.role, message.created_at,
            func.left(message.content, PREVIEW_CHARACTERS + 1).label("content"),
        )
        .where(message.conversation_id == page.c.id)
        .order_by(message.position.desc())
        .limit(1)
        .lateral("last")
    )  # fmt: skip
    last_reply = (
        select(func.coalesce(func.max(reply.position), 0))
        .where(reply.conversation_id == page.c.id, reply.role == "assistant")
        .correlate(page)
        .scalar_subquery()
    )
    unanswered_since = (
        select(func.min(message.created_at))
        .where(
            message.conversation_id == page.c.id, message.role == "user",
            message.position > last_reply,
        )
        .correlate(page)
        .scalar_subquery()
    )  # fmt: skip
    return (
        select(
            page,
            *(lead[name].label(f"lead_{name}") for name in LEAD_FIELDS if name != "id"),
            lead.merged_into.label("lead_merged_into"),
            last.c.role.label("last_role"),
            last.c.created_at.label("last_at"),
            last.c.content.label("last_content"),
            agent.c.full_name.label("human_agent_name"),
            unanswered_since.label("unanswered_since"),
        )
        .select_from(page)
        .outerjoin(leads.TABLE, lead.id == page.c.lead_id)
        .outerjoin(agent, agent.c.id == page.c.human_agent_id)
        .outerjoin(last, true())
        .order_by(page.c.created_at.desc(), page.c.id.desc())
    )


def shorten(content: str | None) -> str | None:
    """Return at most `PREVIEW_CHARACTERS` of a message; an ellipsis ends a longer one."""
    if content is None or len(content) <= PREVIEW_CHARACTERS:
        return content
    return content[: PREVIEW_CHARACTERS - 1] + "…"
