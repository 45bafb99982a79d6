"""Templates by the name steps and people know them by: their slug, a claim in the property."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from events.claims import SLUG, value_of
from events.workflows import MessageChannel, Step
from services.application.unit_of_work import UnitOfWork
from services.deciders.templates import RetireTemplate, Template


async def owners_of_slugs(uow: UnitOfWork, slugs: Iterable[str]) -> dict[str, UUID]:
    """Slug → the template of this property that has it, for those that are there."""
    values = {value_of(slug): slug for slug in slugs}
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


async def template_of(uow: UnitOfWork, slug: str) -> tuple[UUID, Template] | None:
    """The template with this slug that is in use; None where there is none."""
    owner = (await owners_of_slugs(uow, [slug])).get(slug)
    if owner is None:
        return None
    found: Template = await uow.state(RetireTemplate(owner))
    wording = found.wording
    is_it = wording is not None and wording.is_active and wording.slug == slug
    return (owner, found) if is_it else None


async def channels_of(uow: UnitOfWork, steps: Sequence[Step]) -> dict[str, MessageChannel]:
    """Slug → channel of the templates these steps name, for those that are in use."""
    found: dict[str, MessageChannel] = {}
    for slug in dict.fromkeys(step.template_slug for step in steps if step.template_slug):
        known = await template_of(uow, slug)
        if known is not None and known[1].wording is not None:
            found[slug] = known[1].wording.channel
    return found
