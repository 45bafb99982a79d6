"""The timeline of a lead: a query over several tables, newest first."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    DateTime,
    Select,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    literal,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.sql.elements import ColumnElement

from events.deliveries import DeliveryPurpose
from projections import (
    activities,
    conversations,
    engagements,
    leads,
    messages,
    scores,
    send_intents,
    tours,
)

TimelinePosition = tuple[datetime, str, UUID]
"""The end of a page: instant, kind and id of its last item."""


def page(
    org_id: UUID,
    lead_ids: Sequence[UUID],
    before: TimelinePosition | None,
    limit: int,
    only: str | None = None,
) -> "Select[Any]":
    """Select at most `limit` items (at, kind, id, data) before a position, newest first.

    `lead_ids` are all leads of one person (`leads.person`). Each table adds at most a page,
    so a long history costs no more than a short one. `only` is the kind of all items, if given.
    """
    activity, score = activities.TABLE.c, scores.TABLE.c
    engagement, message, tour = (
        engagements.TABLE.c, messages.TABLE.c, tours.TABLE.c,
    )  # fmt: skip
    conversation, delivery = conversations.TABLE.c, send_intents.TABLE.c
    parts = {
        "activity": _part("activity", activity.created_at, activity.id, before, limit, {
            "type": activity.type, "description": activity.description,
            "metadata": activity.metadata, "created_by": activity.created_by,
        }, activity.org_id == org_id, leads.of_any(activity.lead_id, lead_ids)),
        "engagement": _part("engagement", engagement.created_at, engagement.id, before, limit, {
            "event_type": engagement.event_type, "score_weight": engagement.score_weight,
            "metadata": engagement.metadata,
        }, engagement.org_id == org_id, leads.of_any(engagement.lead_id, lead_ids)),
        "score": _part("score", score.scored_at, score.id, before, limit, {
            "total_score": score.total_score, "score_bucket": score.score_bucket,
            "factors": score.factors, "model_version": score.model_version,
        }, score.org_id == org_id, leads.of_any(score.lead_id, lead_ids)),
        "message": _part("message", message.created_at, message.id, before, limit, {
            "conversation_id": message.conversation_id, "role": message.role,
            "author": message.author, "content": message.content,
        }, conversation.id == message.conversation_id, conversation.org_id == org_id,
            leads.of_any(conversation.lead_id, lead_ids)),
        "tour": _part("tour", tour.created_at, tour.id, before, limit, {
            "tour_date": tour.tour_date, "tour_time": tour.tour_time, "status": tour.status,
            "tour_type": tour.tour_type, "starts_at": tour.starts_at,
        }, tour.org_id == org_id, leads.of_any(tour.lead_id, lead_ids)),
        "delivery": _part("delivery", delivery.changed_at, delivery.id, before, limit, {
            "channel": delivery.channel, "purpose": delivery.purpose, "status": delivery.status,
            "reason": delivery.reason, "subject": delivery.subject, "due_at": delivery.due_at,
        }, delivery.org_id == org_id, leads.of_any(delivery.lead_id, lead_ids),
            delivery.purpose != DeliveryPurpose.TEST.value),
    }  # fmt: skip
    shown = parts.values() if only is None else [parts[only]]
    everything = union_all(*(part.subquery().select() for part in shown)).subquery()
    item = everything.c
    return (
        select(item.at, item.kind, item.id, item.data)
        .order_by(item.at.desc(), item.kind.desc(), item.id.desc())
        .limit(limit)
    )


def _part(
    kind: str,
    at: ColumnElement[Any],
    key: ColumnElement[Any],
    before: TimelinePosition | None,
    limit: int,
    data: dict[str, ColumnElement[Any]],
    *conditions: ColumnElement[bool],
) -> "Select[Any]":
    """Select the newest items of one kind. Only for these is the object of their data built."""
    # COLLATE "C" compares kinds as bytes, the same here and in the final order.
    kind_column = cast(literal(kind), Text).collate("C")
    newest = (
        select(at.label("at"), key.label("id"), *(data[name].label(name) for name in data))
        .where(*conditions)
        .order_by(at.desc(), key.desc())
        .limit(limit)
    )
    if before is not None:
        position = (
            bindparam(None, before[0], DateTime(timezone=True)),
            cast(literal(before[1]), Text).collate("C"),
            bindparam(None, before[2], Uuid),
        )
        newest = newest.where(tuple_(at, kind_column, key) < tuple_(*position))
    item = newest.subquery(f"newest_{kind}").c
    pairs = [part for name in data for part in (literal(name, Text), item[name])]
    return select(
        item.at, kind_column.label("kind"), item.id,
        func.jsonb_build_object(*pairs).label("data"),
    )  # fmt: skip
