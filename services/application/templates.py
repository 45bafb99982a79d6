"""Templates by their slug, which is a claim in the property."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from events.claims import SLUG, slug_value
from events.workflows import MessageChannel, Step
from services.application.unit_of_work import UnitOfWork
from services.deciders import templates
from services.deciders.templates import TemplateContent


class ActiveTemplate(NamedTuple):
    """An active template in its newest version."""

    template_id: UUID
    version: int
    content: TemplateContent


async def find_slug_owners(uow: UnitOfWork, slugs: Iterable[str]) -> dict[str, UUID]:
    """Return slug → the template of the property that has it, for the slugs that exist."""
    values = {slug_value(slug): slug for slug in slugs}
    if not values:
        return {}
    rows = await uow.conn.fetch(
        "SELECT value, owner FROM crm.claims WHERE kind = $1 AND scope = $2 "
        "AND value = ANY($3::text[])",
        SLUG,
        uow.scope.property_id,
        list(values),
    )
    return {values[row["value"]]: row["owner"] for row in rows}


async def find_template(uow: UnitOfWork, slug: str) -> ActiveTemplate | None:
    """Return the active template with this slug, or None."""
    template_id = (await find_slug_owners(uow, [slug])).get(slug)
    if template_id is None:
        return None
    template = await uow.load(templates.decider, template_id)
    content = template.content
    if content is None or not content.is_active or content.slug != slug:
        return None
    return ActiveTemplate(template_id, template.version, content)


async def load_template_channels(
    uow: UnitOfWork, steps: Sequence[Step]
) -> dict[str, MessageChannel]:
    """Return slug → channel of the active templates that the steps name."""
    channels: dict[str, MessageChannel] = {}
    for slug in dict.fromkeys(step.template_slug for step in steps if step.template_slug):
        template = await find_template(uow, slug)
        if template is not None:
            channels[slug] = template.content.channel
    return channels
