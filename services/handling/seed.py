"""Seeding: a property gets the system's workflows and texts, once, whoever asks for them."""

from typing import NamedTuple

from services.deciders import defaults
from services.handling.templates import owners_of_slugs
from services.handling.unit import Unit


class Seeded(NamedTuple):
    """How many were new."""

    definitions: int
    templates: int


async def seed(unit: Unit) -> Seeded:
    """Write what is not there yet; what a person has made of it since stays as it is."""
    property_id = unit.scope.property_id
    owners = await owners_of_slugs(unit, (wording.slug for wording in defaults.TEMPLATES))
    texts = [
        await unit.do(defaults.template_of(property_id, wording, owners.get(wording.slug)))
        for wording in defaults.TEMPLATES
    ]
    flows = [
        await unit.do(defaults.workflow_of(property_id, default)) for default in defaults.WORKFLOWS
    ]
    return Seeded(sum(map(len, flows)), sum(map(len, texts)))
