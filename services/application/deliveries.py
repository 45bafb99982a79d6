"""The rendering of a message to a lead, from a template or from a text that an agent typed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from events.record import Stream
from events.tours import TourStatus
from events.workflows import MessageChannel
from projections import tours
from services.application.rows import build_row
from services.application.templates import find_template
from services.application.unit_of_work import UnitOfWork
from services.deciders import leads
from services.deciders.decider import Refused, UnknownSubject
from services.deciders.message_values import TourDetails, collect_values
from services.deciders.rendering import Values, render, variables_in
from services.host import load_property

DEFAULT_SUBJECT = "Message from {{property_name}}"
_MAX_TOURS = 100
_LIVE = (TourStatus.SCHEDULED, TourStatus.CONFIRMED)


@dataclass(frozen=True, slots=True)
class MessageDraft:
    """A message to be rendered: a text or the slug of a template, and a subject or the default."""

    channel: MessageChannel
    text: str | None = None
    template_slug: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class RenderedMessage:
    """A message with all values; `template_id` and its version if it is from a template."""

    body: str
    subject: str | None
    template_id: UUID | None = None
    template_version: int | None = None


async def render_message(
    uow: UnitOfWork, lead_id: UUID, draft: MessageDraft, tour_id: UUID | None = None
) -> RenderedMessage:
    """Render a message to a lead, about the given tour, else about its next one.

    Raises `Refused` for an unknown lead, for a template that does not exist or has another channel,
    and for a missing value.
    """
    text, subject = draft.text or "", draft.subject
    template_id = template_version = None
    if draft.template_slug is not None:
        template = await find_template(uow, draft.template_slug)
        if template is None:
            raise Refused("not_found", "template not found, or not active", 404)
        content = template.content
        if content.channel is not draft.channel:
            raise Refused("template_channel", f"this template is for {content.channel}", 400)
        template_id, template_version = template.template_id, template.version
        text, subject = content.body, subject or content.subject
    subject = subject or DEFAULT_SUBJECT
    texts = [text] if draft.channel is MessageChannel.SMS else [text, subject]
    values = await load_message_values(uow, lead_id, texts, tour_id)
    body, *more = [render(text, values) for text in texts]
    return RenderedMessage(body, more[0] if more else None, template_id, template_version)


async def load_message_values(
    uow: UnitOfWork, lead_id: UUID, texts: Iterable[str], tour_id: UUID | None = None
) -> Values:
    """Return variable → value of a lead for these texts, None if unknown.

    Raises `Refused` for an unknown lead, and for a variable that does not exist.
    """
    lead = await uow.load(leads.decider, await uow.surviving_lead(lead_id))
    if not lead.exists:
        raise UnknownSubject(Stream("lead", lead_id))
    host_property = await load_property(uow.conn, uow.scope.property_id)
    tour = await _find_tour(uow, lead_id, tour_id) if _is_about_tours(texts) else None
    return collect_values(
        lead.details, host_property.name, host_property.address, host_property.settings, tour
    )


def _is_about_tours(texts: Iterable[str]) -> bool:
    return any(name.startswith("tour_") for text in texts for name in variables_in(text))


async def _find_tour(uow: UnitOfWork, lead_id: UUID, tour_id: UUID | None) -> TourDetails | None:
    """Return the tour, or the lead's next one; without one, the last that was not cancelled."""
    if tour_id is not None and (chosen := await _tour_row(uow, tour_id)):
        return TourDetails(chosen["tour_date"], chosen["tour_time"], chosen["tour_type"])
    ids = await uow.conn.fetch(
        "SELECT DISTINCT entity_id FROM public.crm_events WHERE lead_id = $1 "
        "AND entity_type = 'tour' AND property_id = $2 LIMIT $3",
        lead_id,
        uow.scope.property_id,
        _MAX_TOURS,
    )
    rows = [row for key in ids if (row := await _tour_row(uow, key["entity_id"]))]
    rows = [row for row in rows if row["status"] != TourStatus.CANCELLED]
    coming = [row for row in rows if row["starts_at"] > uow.scope.at and row["status"] in _LIVE]
    if coming:
        row = min(coming, key=lambda row: row["starts_at"])
    elif rows:
        row = max(rows, key=lambda row: row["starts_at"])
    else:
        return None
    return TourDetails(row["tour_date"], row["tour_time"], row["tour_type"])


async def _tour_row(uow: UnitOfWork, tour_id: UUID) -> dict[str, Any] | None:
    return build_row(tours.projection, tour_id, await uow.history(Stream("tour", tour_id)))
