"""Conversations as the console lists them: with their lead and what was said last."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, true

from projections import conversations, leads, messages

PREVIEW_CHARACTERS = 50
WIDGET_CHANNELS = ("widget", "chat")
"""Where visitors of the property's site write."""
LEAD_FIELDS = ("id", "first_name", "last_name", "email", "phone", "status")


def newest(
    property_id: UUID, limit: int, *, lead_ids: Sequence[UUID] = (), of_widget: bool = False
) -> "Select[Any]":
    """The newest conversations of a property, or of some of its leads."""
    held = conversations.TABLE.c
    query = select(conversations.TABLE).where(held.property_id == property_id)
    if lead_ids:
        query = query.where(held.lead_id.in_(lead_ids))
    if of_widget:
        query = query.where(held.channel.in_(WIDGET_CHANNELS))
    return _shown(query.order_by(held.created_at.desc(), held.id.desc()).limit(limit))


def one(property_id: UUID, conversation_id: UUID) -> "Select[Any]":
    """One conversation of a property."""
    held = conversations.TABLE.c
    mine = (held.property_id == property_id, held.id == conversation_id)
    return _shown(select(conversations.TABLE).where(*mine))


def _shown(query: "Select[Any]") -> "Select[Any]":
    """The rows with `lead_…` and `last_…` columns; the page is cut before they are looked up."""
    page, person, said = query.subquery("page"), leads.TABLE.c, messages.TABLE.c
    last = (
        select(
            said.role, said.created_at,
            func.left(said.content, PREVIEW_CHARACTERS + 1).label("content"),
        )
        .where(said.conversation_id == page.c.id)
        .order_by(said.position.desc())
        .limit(1)
        .lateral("last")
    )  # fmt: skip
    return (
        select(
            page,
            *(person[name].label(f"lead_{name}") for name in LEAD_FIELDS if name != "id"),
            last.c.role.label("last_role"),
            last.c.created_at.label("last_at"),
            last.c.content.label("last_content"),
        )
        .select_from(page)
        .outerjoin(leads.TABLE, person.id == page.c.lead_id)
        .outerjoin(last, true())
        .order_by(page.c.created_at.desc(), page.c.id.desc())
    )


def preview(content: str | None) -> str | None:
    """At most `PREVIEW_CHARACTERS`, with an ellipsis where there was more."""
    if content is None or len(content) <= PREVIEW_CHARACTERS:
        return content
    return content[: PREVIEW_CHARACTERS - 1] + "…"
