"""The console's list of conversations: each with its lead and its last message."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, true

from projections import conversations, leads, messages

PREVIEW_CHARACTERS = 50
WIDGET_CHANNELS = ("widget", "chat")
"""The channels of the widget on the property's site."""
LEAD_FIELDS = ("id", "first_name", "last_name", "email", "phone", "status")


def newest(
    property_id: UUID, limit: int, *, lead_ids: Sequence[UUID] = (), of_widget: bool = False
) -> "Select[Any]":
    """Select the newest conversations of a property, or of some of its leads."""
    columns = conversations.TABLE.c
    query = select(conversations.TABLE).where(
        columns.property_id == property_id, columns.org_id.is_not(None)
    )
    if lead_ids:
        query = query.where(columns.lead_id.in_(lead_ids))
    if of_widget:
        query = query.where(columns.channel.in_(WIDGET_CHANNELS))
    return _with_details(query.order_by(columns.created_at.desc(), columns.id.desc()).limit(limit))


def by_id(property_id: UUID, conversation_id: UUID) -> "Select[Any]":
    """Select one conversation of a property."""
    columns = conversations.TABLE.c
    conditions = (
        columns.property_id == property_id,
        columns.id == conversation_id,
        columns.org_id.is_not(None),
    )
    return _with_details(select(conversations.TABLE).where(*conditions))


def _with_details(query: "Select[Any]") -> "Select[Any]":
    """Add the columns `lead_…` and `last_…` to a page, whose limit is applied first."""
    page, lead, message = query.subquery("page"), leads.TABLE.c, messages.TABLE.c
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
    return (
        select(
            page,
            *(lead[name].label(f"lead_{name}") for name in LEAD_FIELDS if name != "id"),
            last.c.role.label("last_role"),
            last.c.created_at.label("last_at"),
            last.c.content.label("last_content"),
        )
        .select_from(page)
        .outerjoin(leads.TABLE, lead.id == page.c.lead_id)
        .outerjoin(last, true())
        .order_by(page.c.created_at.desc(), page.c.id.desc())
    )


def shorten(content: str | None) -> str | None:
    """Return at most `PREVIEW_CHARACTERS` of a message; an ellipsis ends a longer one."""
    if content is None or len(content) <= PREVIEW_CHARACTERS:
        return content
    return content[: PREVIEW_CHARACTERS - 1] + "…"
