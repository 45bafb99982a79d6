"""The paths of all pages of the catalog, with ids of entities for which the pages exist."""

import re
from typing import Any
from uuid import UUID, uuid4

from services.api.console.catalog import PAGES
from services.api.schemas import example
from services.application.dead_letters import DeadLetterFilter
from services.application.operator_actions import record_action
from services.application.operator_requests import RequestKind, insert_request
from tests.services.api.console.refused_events import make_dead_letter, park_lead
from tests.services.api.example_requests import create_examples
from tests.services.api.site import Site

MERGED_LEAD, DEAD_LETTER, PARKED_EVENT = "merged lead", "dead letter", "parked event"
REQUEST, PREVIEW_REQUEST = "request", "preview request"
OWN_EXAMPLES = {
    "/console/leads/{lead_id}/unmerge": {"lead_id": MERGED_LEAD},
    "/console/projections/requests/{request_id}": {"request_id": REQUEST},
    "/console/projections/requests/{request_id}/cancel": {"request_id": REQUEST},
    "/console/refused/previews/{request_id}": {"request_id": PREVIEW_REQUEST},
    "/console/refused/dead/{dead_letter_id}": {"dead_letter_id": DEAD_LETTER},
    "/console/refused/dead/{dead_letter_id}/content": {"dead_letter_id": DEAD_LETTER},
    "/console/refused/dead/{dead_letter_id}/edit": {"dead_letter_id": DEAD_LETTER},
    "/console/refused/parked/{event_id}": {"event_id": PARKED_EVENT},
    "/console/refused/parked/{event_id}/drop": {"event_id": PARKED_EVENT},
}
"""Pages that exist for entities in one state only → the names of their ids."""


async def create_page_examples(site: Site) -> dict[str, str]:
    """Create what the pages show; return example ids with the ids of the entities."""
    ids = await create_examples(site)
    ids[MERGED_LEAD] = str(await site.create_lead(firstName="Eve"))
    response = await site.client.post(
        f"/api/leads/{ids[MERGED_LEAD]}/merge", json={"intoLeadId": ids[example.OTHER_LEAD]},
        headers=site.console_headers(),
    )  # fmt: skip
    assert response.status_code == 200, response.text
    dead_letter_id, _ = await make_dead_letter(site.world)
    request_id = await make_request(site, RequestKind.VERIFY, {"names": ["leads"]})
    chosen = DeadLetterFilter([dead_letter_id]).to_json()
    preview_id = await make_request(site, RequestKind.PREVIEW_REDRIVE, chosen)
    await site.project()
    return {
        **ids, DEAD_LETTER: str(dead_letter_id), REQUEST: str(request_id),
        PREVIEW_REQUEST: str(preview_id),
    }  # fmt: skip


async def make_request(site: Site, kind: RequestKind, parameters: dict[str, Any]) -> UUID:
    """Store a request of an operator, as the console does; return its id.

    No worker claims it, so a page can cancel it at any time.
    """
    action_id = uuid4()
    async with site.world.pool.acquire() as conn, conn.transaction():
        await record_action(conn, action_id, uuid4(), kind.value, {}, "a test")
        await insert_request(conn, action_id, kind, parameters)
        await conn.execute(
            "UPDATE crm.operator_requests SET lease_until = 'infinity' WHERE id = $1", action_id
        )
    return action_id


async def create_parked_example(site: Site) -> dict[str, str]:
    """Park an event, which must be the last example: nothing of its lead is projected any more."""
    lead = await site.create_lead()
    await site.project()
    return {PARKED_EVENT: str(await park_lead(site.world, lead))}


async def remove_parked_example(site: Site, ids: dict[str, str]) -> None:
    """Remove the parked event, so that the tables of other tests can be level with the log."""
    await site.world.pool.execute(
        "DELETE FROM crm.parked WHERE event_id = $1", UUID(ids[PARKED_EVENT])
    )


def paths_of(ids: dict[str, str]) -> dict[str, str]:
    """Return name → path of all pages, with example ids. A new kind of id needs an example.

    A file that a browser stores, such as `leads.csv`, is no page.
    """
    return {_name(route.path): _fill(route.path, ids) for route in PAGES if "." not in route.path}


def _fill(path: str, ids: dict[str, str]) -> str:
    own_examples = OWN_EXAMPLES.get(path, {})
    return re.sub(r"{(\w+)}", lambda found: _id_of(found.group(1), own_examples, ids), path)


def _name(path: str) -> str:
    """Return the name of a page's screenshots: `lead-score` for /console/leads/{lead_id}/score."""
    words: list[str] = []
    for word in path.split("/")[2:]:
        if word.startswith("{"):
            words[-1] = word.strip("{}").removesuffix("_id")
        else:
            words.append(word)
    return "-".join(word for word in words if word != "property") or "home"


def _id_of(parameter: str, own_examples: dict[str, str], ids: dict[str, str]) -> str:
    constant = parameter.removesuffix("_id").upper()
    name = own_examples.get(parameter) or getattr(example, constant, None)
    assert name is not None, f"add an example of {{{parameter}}}, which a page has"
    return ids.get(name, name)
