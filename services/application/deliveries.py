"""Letters: what a message to a lead says, of a template or of what somebody typed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from events.record import Stream
from events.tours import TourStatus
from events.workflows import MessageChannel
from projections import tours
from services.application.rows import row_of
from services.application.templates import template_of
from services.application.unit_of_work import UnitOfWork
from services.deciders.decider import Refused, UnknownSubject
from services.deciders.leads import Lead, UpdateLead
from services.deciders.message_values import TourTold, values_of
from services.deciders.rendering import Values, mentions, render
from services.host import load_property

USUAL_SUBJECT = "Message from {{property_name}}"
_TOURS_AT_MOST = 100
_LIVE = (TourStatus.SCHEDULED, TourStatus.CONFIRMED)


@dataclass(frozen=True, slots=True)
class Draft:
    """What is asked for: a text, or a template by its slug; a subject, or the usual one."""

    channel: MessageChannel
    text: str | None = None
    template_slug: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """What is to be sent, whole; `template_id` and its version where it was one."""

    body: str
    subject: str | None
    template_id: UUID | None = None
    template_version: int | None = None


async def letter(uow: UnitOfWork, lead_id: UUID, draft: Draft) -> Letter:
    """Raises `Refused`: no such template, one of the other channel, a value that is missing."""
    person: Lead = await uow.state(UpdateLead(lead_id, {}))
    if not person.exists:
        raise UnknownSubject(Stream("lead", lead_id))
    host_property = await load_property(uow.conn, uow.scope.property_id)
    text, subject = draft.text or "", draft.subject
    template_id = template_version = None
    if draft.template_slug is not None:
        found = await template_of(uow, draft.template_slug)
        if found is None or found[1].wording is None:
            raise Refused("not_found", "template not found, or not in use", 404)
        wording = found[1].wording
        if wording.channel is not draft.channel:
            raise Refused("template_channel", f"this template is for {wording.channel}", 400)
        template_id, template_version = found[0], found[1].version
        text, subject = wording.body, subject or wording.subject
    subject = subject or USUAL_SUBJECT
    texts = [text] if draft.channel is MessageChannel.SMS else [text, subject]
    tour = await _tour(uow, lead_id) if _speaks_of_tours(texts) else None
    values = values_of(
        person.details, host_property.name, host_property.address, host_property.settings, tour
    )
    body, *more = _rendered(texts, values)
    return Letter(body, more[0] if more else None, template_id, template_version)


def _rendered(texts: Iterable[str], values: Values) -> list[str]:
    return [render(text, values) for text in texts]


def _speaks_of_tours(texts: Iterable[str]) -> bool:
    return any(name.startswith("tour_") for text in texts for name in mentions(text))


async def _tour(uow: UnitOfWork, lead_id: UUID) -> TourTold | None:
    """The lead's next tour; where none is coming, the last one that was not called off."""
    rows = await uow.conn.fetch(
        "SELECT DISTINCT entity_id FROM public.crm_events WHERE lead_id = $1 "
        "AND entity_type = 'tour' AND property_id = $2 LIMIT $3",
        lead_id,
        uow.scope.property_id,
        _TOURS_AT_MOST,
    )
    known = [await _tour_row(uow, row["entity_id"]) for row in rows]
    mine = [row for row in known if row and row["status"] != TourStatus.CANCELLED]
    coming = [row for row in mine if row["starts_at"] > uow.scope.at and row["status"] in _LIVE]
    if coming:
        row = min(coming, key=lambda row: row["starts_at"])
    elif mine:
        row = max(mine, key=lambda row: row["starts_at"])
    else:
        return None
    return TourTold(row["tour_date"], row["tour_time"], row["tour_type"])


async def _tour_row(uow: UnitOfWork, tour_id: UUID) -> dict[str, Any] | None:
    return row_of(tours.projection, tour_id, await uow.history(Stream("tour", tour_id)))
