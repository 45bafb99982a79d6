"""The page of one workflow: its steps with their runs, its versions, and the simulation."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from starlette.responses import Response

from services.api.console.days import describe_moment
from services.api.console.endpoints import page_route
from services.api.console.lead_choice import read_choice
from services.api.console.page import Page
from services.api.console.pages.lead import names_of
from services.api.console.parts import Parts, read_parts
from services.api.console.run_counts import RunTotals, sum_by, sum_runs
from services.api.console.step_words import (
    describe_age,
    describe_delay,
    describe_ends,
    describe_reentry,
    describe_step,
    describe_trigger,
    find_paths,
)
from services.api.console.times import parse_instant
from services.api.console.version_changes import compare_versions
from services.api.problems import Problem

Row = Mapping[str, Any]


async def find_definition(page: Page) -> Any:
    """Return the definition of the page with its versions, and make its property the page's."""
    found = await page.api.get(f"/api/workflows/definitions/{page.id('definition_id')}")
    page.at_property(found["definition"]["property_id"])
    return found


async def show_workflow(page: Page) -> Response:
    """Show the steps of a version with the runs that wait at each, and what versions changed."""
    found = await find_definition(page)
    definition, versions = found["definition"], found["versions"]
    parts = await read_definition_parts(page, definition)
    shown = choose_version(versions, page.query.get("version"), definition["version"])
    by_version = sum_by(parts.get("counts", "counts", ()), "version")
    names, agents = template_names(parts), names_of(parts)
    titles = {slug: row["name"] for slug, row in names.items()}
    older = _choose_older(page, versions, shown)
    return page.render(
        "workflow.html", definition=definition, versions=versions, switches=found["switches"],
        parts=parts, shown=shown, total=sum_runs(parts.get("counts", "counts", ())),
        by_version=by_version, totals=by_version.get(shown["version"], RunTotals()),
        no_runs=RunTotals(), agents=agents,
        steps=describe_steps(shown["steps"], names, agents, active_slugs(parts)),
        starts=describe_trigger(shown["trigger_on"]), ends=describe_ends(shown),
        how_often=describe_reentry(shown), max_age=describe_age(shown),
        older=older, changes=compare_versions(older, shown, titles, agents) if older else (),
        move_from=sum(
            totals.waiting for version, totals in by_version.items()
            if version != definition["version"]
        ),
    )  # fmt: skip


async def simulate_workflow(page: Page) -> Response:
    """Show what each step would do for a chosen lead, at which minute, and why not."""
    found = await find_definition(page)
    definition = found["definition"]
    choice = await read_choice(page)
    starts_at = _read_start(page)
    parts = await read_definition_parts(page, definition)
    simulation, steps, refused = None, [], None
    if choice.lead is not None:
        path = f"/api/workflows/definitions/{definition['id']}/simulation"
        simulated = await read_parts({
            "simulation": page.api.get(path, leadId=choice.lead["id"], startsAt=starts_at)
        })  # fmt: skip
        simulation = simulated.bodies.get("simulation")
        refused = simulated.failures.get("simulation")
    if simulation is not None:
        words = describe_steps(
            definition["steps"], template_names(parts), names_of(parts), active_slugs(parts)
        )
        steps = [{**step, "words": words[step["stepNumber"]]} for step in simulation["steps"]]
    messages = [step for step in steps if step["sentAt"] is not None]
    first = messages and describe_moment(
        parse_instant(messages[0]["sentAt"]), page.now, page.here.zone
    )
    return page.render(
        "workflow_simulation.html", definition=definition, choice=choice, simulation=simulation,
        steps=steps, messages=messages, first=first, refused=refused,
        missed=[step for step in steps if step["outcome"] in ("failed", "skipped")],
    )  # fmt: skip


async def read_definition_parts(page: Page, definition: Row) -> Parts:
    """Read what the pages of a workflow show besides its versions."""
    property_id = definition["property_id"]
    return await read_parts({
        "counts": page.api.get(
            "/api/workflows/runs/counts", propertyId=property_id, definitionId=definition["id"]
        ),
        "templates": page.api.get("/api/workflows/templates", propertyId=property_id),
        "agents": page.api.get("/api/agents"),
    })  # fmt: skip


def choose_version(versions: Sequence[Row], text: str | None, newest: int) -> Row:
    """Return the version that an address names, by default the newest. Raise 404."""
    for version in versions:
        if str(version["version"]) == (text or str(newest)):
            return version
    raise Problem(404, "unknown_version", f"there is no version {text}: choose one of the list")


def describe_steps(
    steps: Sequence[Row], names: Mapping[str, Row], agents: Mapping[str, str],
    active: frozenset[str],
) -> list[dict[str, Any]]:  # fmt: skip
    """Return the steps with words for delay, action and paths, and their template."""
    titles = {slug: row["name"] for slug, row in names.items()}
    return [
        {
            **step,
            "number": number,
            "delay": describe_delay(step, number),
            "does": describe_step(step, titles, agents),
            "paths": list(find_paths(step, steps)),
            "template": names.get(step["template_slug"]) if step["template_slug"] else None,
            "is_ready": step["template_slug"] is None or step["template_slug"] in active,
        }
        for number, step in enumerate(steps)
    ]


def template_names(parts: Parts) -> dict[str, Any]:
    """Return slug → template of the property."""
    return {row["slug"]: row for row in parts.get("templates", "templates", ())}


def active_slugs(parts: Parts) -> frozenset[str]:
    """Return the slugs of the templates that messages can be made of."""
    return frozenset(
        row["slug"] for row in parts.get("templates", "templates", ()) if row["is_active"]
    )


def _choose_older(page: Page, versions: Sequence[Row], shown: Row) -> Row | None:
    """Return the version with which the shown one is compared, by default the one before it."""
    if (text := page.query.get("compare")) is not None:
        return choose_version(versions, text, shown["version"])
    return next((one for one in versions if one["version"] < shown["version"]), None)


def _read_start(page: Page) -> str | None:
    """Return the start of a simulation from a local time of the property. Raise 400."""
    if not (text := page.query.get("at", "")):
        return None
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(
            400, "invalid", f"{text!r} is no date with a time: choose one, such as 2027-03-01T10:30"
        ) from None
    return local.replace(tzinfo=local.tzinfo or page.here.zone).isoformat()


_WORKFLOW = "/workflows/{definition_id}"
ROUTES = (
    page_route(_WORKFLOW, show_workflow, is_personal=False),
    page_route(f"{_WORKFLOW}/simulate", simulate_workflow),
)
