"""The addresses of all pages of the catalog, with ids of the data, and who may open them."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import jwt

from benchmarks.console_pages.site import Site
from events.log.connection import Connection
from services.api.console.catalog import PAGES

TOKEN_HOURS = 6
IDS = {
    "property_id": "SELECT '{property}'::uuid",
    "lead_id": "SELECT '{long_lead}'::uuid",
    "task_id": "SELECT id FROM lead_tasks WHERE property_id = '{property}' "
    "AND status = 'open' ORDER BY due_at",
    "conversation_id": "SELECT id FROM conversations WHERE lead_id = '{long_lead}' "
    "ORDER BY created_at DESC",
    "delivery_id": "SELECT id FROM deliveries WHERE lead_id = '{long_lead}' AND status = 'planned'",
    "run_id": "SELECT id FROM lead_workflows WHERE lead_id = '{long_lead}' AND status = 'active'",
    "tour_id": "SELECT id FROM tours WHERE lead_id = '{long_lead}' AND status = 'scheduled'",
    "event_id": "SELECT id FROM crm_events WHERE lead_id = '{long_lead}' "
    "AND entity_type = 'lead' AND position IS NOT NULL",
    "definition_id": "SELECT workflow_id FROM lead_workflows WHERE lead_id = '{long_lead}'",
    "template_id": "SELECT id FROM follow_up_templates WHERE property_id = '{property}'",
    "request_id": "SELECT id FROM crm.operator_requests WHERE kind = 'verify'",
    "dead_letter_id": "SELECT id FROM crm.dead_letters WHERE status = 'open'",
}
"""Parameter of a path → the query that finds its value."""
_PREVIEW = "SELECT id FROM crm.operator_requests WHERE kind = 'preview_redrive'"
_PARKED = "SELECT event_id FROM crm.parked"
OWN_IDS = {
    ("/console/leads/{lead_id}/unmerge", "lead_id"): "SELECT id FROM leads "
    "WHERE property_id = '{property}' AND merged_into IS NOT NULL ORDER BY id",
    ("/console/refused/previews/{request_id}", "request_id"): _PREVIEW,
    ("/console/refused/parked/{event_id}", "event_id"): _PARKED,
    ("/console/refused/parked/{event_id}/drop", "event_id"): _PARKED,
}
"""Path and parameter of pages that exist for entities in one state only → their query."""
QUERIES: Mapping[str, tuple[str, ...]] = {
    "/console/properties/{property_id}/leads": (
        "search=lovelace", "search=example.com&sortBy=last_name&sortOrder=asc",
        "search=lead.990000", "sortBy=score&limit=200", "status=toured&page=200",
        "source=Zillow&sortBy=score",
    ),
    "/console/properties/{property_id}/leads.csv": ("sortBy=score&limit=200",),
    "/console/properties/{property_id}/insights": ("days=366",),
    "/console/properties/{property_id}/inbox": ("before={conversation}",),
    "/console/properties/{property_id}/tours": ("week={last_week}", "week={next_week}"),
    "/console/leads/{lead_id}": ("kind=activity", "kind=message"),
    "/console/leads/{lead_id}/merge": ("into={plain_lead}", "search=lovelace"),
    "/console/events": (
        "lead={long_lead}", "type=tour.scheduled", "property={property}", "from={last_week}",
    ),
    "/console/refused": ("kind=dead", "kind=parked"),
}  # fmt: skip
"""Path of a page → addresses of it that read more, or other rows, than without a parameter."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who opens pages."""

    role: str
    token: str


@dataclass(frozen=True, slots=True)
class Visit:
    """A page under a name, and its address."""

    name: str
    path: str


def make_people(site: Site, secret: str) -> tuple[Person, ...]:
    """Return a person of each role, with a token as the identity provider issues it."""
    roles: dict[str, tuple[UUID, dict[str, str]]] = {
        "viewer": (site.viewer, {}), "manager": (site.manager, {}), "admin": (site.admin, {}),
        "operator": (uuid4(), {"crm_role": "operator"}),
    }  # fmt: skip
    expires_at = datetime.now(UTC) + timedelta(hours=TOKEN_HOURS)
    return tuple(
        Person(role, jwt.encode({
            "sub": str(subject), "aud": "authenticated", "role": "authenticated",
            "exp": expires_at, "app_metadata": metadata,
        }, secret, algorithm="HS256"))
        for role, (subject, metadata) in roles.items()
    )  # fmt: skip


async def find_visits(conn: Connection, site: Site) -> list[Visit]:
    """Return all pages with their addresses. A new parameter of a path needs a query above."""
    return [visit async for visit in _visits(conn, site)]


async def _visits(conn: Connection, site: Site) -> AsyncIterator[Visit]:
    today = datetime.now(UTC).date()
    values = {
        "conversation": await conn.fetchval(_MIDDLE_CONVERSATION, site.property_id),
        "long_lead": site.long_lead, "plain_lead": site.plain_lead, "property": site.property_id,
        "last_week": today - timedelta(days=7), "next_week": today + timedelta(days=7),
    }  # fmt: skip
    for route in PAGES:
        ids = {}
        for name in re.findall(r"{(\w+)}", route.path):
            query = OWN_IDS.get((route.path, name)) or IDS.get(name)
            if query is None:
                raise LookupError(f"add a query that finds {{{name}}} of {route.path}")
            ids[name] = await conn.fetchval(f"{query.format(**values)} LIMIT 1")
            if ids[name] is None:
                raise LookupError(f"the data has no {{{name}}} for {route.path}")
        path, name = route.path.format(**ids), _name(route.path)
        yield Visit(name, path)
        if route.path == "/console/leads/{lead_id}":
            yield Visit(f"{name} with a short history", f"/console/leads/{site.plain_lead}")
        for query in QUERIES.get(route.path, ()):
            yield Visit(f"{name}?{query}", f"{path}?{query.format(**values)}")


def _name(path: str) -> str:
    """Return the path as people read it: `leads/{lead}/score`."""
    shown = path.removeprefix("/console").removeprefix("/properties/{property_id}")
    return shown.removeprefix("/").replace("_id}", "}") or "(begin)"


_MIDDLE_CONVERSATION = """
    SELECT id FROM conversations WHERE property_id = $1
    ORDER BY created_at DESC OFFSET (SELECT count(*) / 2 FROM conversations WHERE property_id = $1)
    LIMIT 1
"""
