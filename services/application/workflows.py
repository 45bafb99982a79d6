"""Seeding: a property gets the system's workflows and texts, once, whoever asks for them."""

from typing import NamedTuple

from services.application.templates import owners_of_slugs
from services.application.unit_of_work import UnitOfWork
from services.deciders import default_workflows


class Seeded(NamedTuple):
    """How many were new."""

    definitions: int
    templates: int


async def seed(uow: UnitOfWork) -> Seeded:
    """Write what is not there yet; what a person has made of it since stays as it is."""
    property_id = uow.scope.property_id
    owners = await owners_of_slugs(uow, (wording.slug for wording in default_workflows.TEMPLATES))
    texts = [
        await uow.do(default_workflows.template_of(property_id, wording, owners.get(wording.slug)))
        for wording in default_workflows.TEMPLATES
    ]
    flows = [
        await uow.do(default_workflows.workflow_of(property_id, default))
        for default in default_workflows.WORKFLOWS
    ]
    return Seeded(sum(map(len, flows)), sum(map(len, texts)))
