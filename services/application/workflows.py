"""The use case that gives a property the default workflows and templates."""

from typing import NamedTuple

from services.application.templates import find_slug_owners
from services.application.unit_of_work import UnitOfWork
from services.deciders import default_workflows
from services.deciders.default_templates import TEMPLATES


class SeedCounts(NamedTuple):
    """The number of definitions and templates that were created."""

    definitions: int
    templates: int


async def seed_property(uow: UnitOfWork) -> SeedCounts:
    """Create the defaults that do not exist yet; those that exist stay as they were edited."""
    property_id = uow.scope.property_id
    workflows = default_workflows.WORKFLOWS
    owners = await find_slug_owners(uow, (content.slug for content in TEMPLATES))
    template_events = [
        await uow.execute(
            default_workflows.default_template(property_id, content, owners.get(content.slug))
        )
        for content in TEMPLATES
    ]
    workflow_events = [
        await uow.execute(default_workflows.default_workflow(property_id, default))
        for default in workflows
    ]
    return SeedCounts(sum(map(len, workflow_events)), sum(map(len, template_events)))
