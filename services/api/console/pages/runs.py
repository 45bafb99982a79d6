"""The runs of a property by workflow, step and state, and the page of one run."""

from typing import Any

from starlette.responses import Response

from services.api.console.endpoints import page_route
from services.api.console.lead_answers import name_lead
from services.api.console.message_words import describe_state, describe_values, tag_of
from services.api.console.page import Page
from services.api.console.pages.lead import names_of
from services.api.console.pages.workflow import active_slugs, describe_steps, template_names
from services.api.console.pages.workflows import describe_stuck
from services.api.console.parts import read_parts
from services.api.console.run_counts import sum_runs
from services.api.console.run_words import STATES, TAGS, describe_event, describe_run
from services.api.console.step_words import describe_ends
from services.deciders.runs import LIVE

FILTERS = {"definition": "definitionId", "version": "version", "step": "step", "state": "state"}
"""Parameter of the page → parameter of the API."""


async def list_runs(page: Page) -> Response:
    """Show a page of runs, newest first, as the API filters them."""
    filters = {ours: page.query.get(ours) for ours in FILTERS}
    query = {theirs: filters[ours] for ours, theirs in FILTERS.items()}
    property_id = page.here.id
    found = await page.api.get(
        "/api/workflows/runs", propertyId=property_id, cursor=page.query.get("cursor"), **query
    )
    parts = await read_parts({
        "definitions": page.api.get("/api/workflows/definitions", propertyId=property_id),
        "counts": page.api.get(
            "/api/workflows/runs/counts", propertyId=property_id, definitionId=query["definitionId"]
        ),
    })  # fmt: skip
    definitions = parts.get("definitions", "definitions", ())
    chosen = next((row for row in definitions if row["id"] == filters["definition"]), None)
    counts = [
        count for count in parts.get("counts", "counts", ())
        if filters["version"] in (None, str(count["version"]))
        and filters["step"] in (None, str(count["step"]))
    ]  # fmt: skip
    total = sum_runs(counts)
    state = filters["state"]
    return page.render(
        "runs.html", parts=parts, definitions=definitions, chosen=chosen, filters=filters,
        total=total, shown_count=getattr(total, state) if state else total.all,
        states=STATES, next=found["nextCursor"],
        runs=[_describe_row(page, run) for run in found["runs"]],
    )  # fmt: skip


async def show_run(page: Page) -> Response:
    """Show one run: what it waits for, its steps, what happened, and its messages."""
    found = await page.api.get(f"/api/workflows/runs/{page.id('run_id')}")
    run, definition = found["run"], found["definition"]
    page.at_property(run["property_id"])
    parts = await read_parts({
        "templates": page.api.get("/api/workflows/templates", propertyId=run["property_id"]),
        "agents": page.api.get("/api/agents"),
    })  # fmt: skip
    agents, zone, now = names_of(parts), page.here.zone, page.now
    steps = describe_steps(definition["steps"], template_names(parts), agents, active_slugs(parts))
    return page.render(
        "run.html", run=_describe_row(page, run), definition=definition, parts=parts, steps=steps,
        ends=describe_ends(definition), agents=agents, is_live=run["status"] in LIVE,
        stuck=describe_stuck({**found["stuck"], "run": run}) if found["stuck"] else None,
        history=[
            {**event, "text": describe_event(event, now, zone, agents, len(steps))}
            for event in reversed(found["history"])
        ],
        messages=[
            {**message, "state": describe_state(message, now, zone), "tag": tag_of(message)}
            for message in reversed(found["messages"])
        ],
        describe_values=describe_values,
    )  # fmt: skip


def _describe_row(page: Page, run: dict[str, Any]) -> dict[str, Any]:
    return {
        **run, "lead_name": name_lead(run["lead"]), "tag": TAGS[run["status"]],
        "state": describe_run(run, page.now, page.here.zone),
    }  # fmt: skip


ROUTES = (
    page_route("/properties/{property_id}/runs", list_runs, is_personal=False),
    page_route("/runs/{run_id}", show_run, is_personal=False),
)
