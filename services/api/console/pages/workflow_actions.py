"""Forms of a workflow: activate, deactivate, and move runs to the newest version."""

from typing import Any

from services.api.console.endpoints import command_id, form_route
from services.api.console.forms import Done, Form
from services.api.console.page import Page
from services.api.console.pages.lead import names_of
from services.api.console.pages.workflow import (
    active_slugs,
    describe_steps,
    find_definition,
    read_definition_parts,
    template_names,
)
from services.api.console.reasons import require_reason
from services.api.console.run_counts import sum_by, sum_runs
from services.api.console.step_words import (
    describe_age,
    describe_ends,
    describe_reentry,
    describe_trigger,
)


async def prepare_switch(page: Page) -> dict[str, Any]:
    """Return what an activation or a deactivation changes, and the runs in progress."""
    definition = (await find_definition(page))["definition"]
    parts = await read_definition_parts(page, definition)
    others = await page.api.get("/api/workflows/definitions", propertyId=definition["property_id"])
    steps = describe_steps(
        definition["steps"], template_names(parts), names_of(parts), active_slugs(parts)
    )
    return {
        "definition": definition, "steps": steps,
        "total": sum_runs(parts.get("counts", "counts", ())),
        "missing": [step for step in steps if not step["is_ready"]],
        "starts": describe_trigger(definition["trigger_on"]), "ends": describe_ends(definition),
        "how_often": describe_reentry(definition), "max_age": describe_age(definition),
        "others": [
            row for row in others["definitions"]
            if row["is_active"] and row["trigger_on"] == definition["trigger_on"]
            and row["id"] != definition["id"]
        ],
    }  # fmt: skip


async def activate_workflow(page: Page, form: Form) -> Done:
    """Let the trigger start runs."""
    definition = await _write(page, form, "activate", {})
    return _done(page, f"{definition['name']} is active: new runs start from now on.")


async def deactivate_workflow(page: Page, form: Form) -> Done:
    """Start no further runs; the runs in progress continue."""
    definition = await _write(page, form, "deactivate", {"reason": require_reason(form)})
    return _done(page, f"{definition['name']} starts no runs any more.")


async def prepare_move(page: Page) -> dict[str, Any]:
    """Return how many runs would go on at which step of the newest version."""
    definition = (await find_definition(page))["definition"]
    preview = await page.api.write(
        "POST", f"/api/workflows/definitions/{definition['id']}/move", {"dryRun": True}
    )
    counts = await page.api.get(
        "/api/workflows/runs/counts", propertyId=definition["property_id"],
        definitionId=definition["id"],
    )  # fmt: skip
    by_version = sum_by(counts["counts"], "version")
    numbers = {step["id"]: number for number, step in enumerate(definition["steps"], 1)}
    steps = preview["steps"]
    return {
        "definition": definition, "by_version": by_version, "numbers": numbers,
        "moved": [step for step in steps if step["toStep"] is not None],
        "kept": [step for step in steps if step["toStep"] is None],
    }  # fmt: skip


async def move_runs(page: Page, form: Form) -> Done:
    """Let the runs of older versions go on in the newest one."""
    reason = require_reason(form)
    path = f"/api/workflows/definitions/{page.id('definition_id')}/move"
    found = await page.api.write("POST", path, {"reason": reason}, command_id=command_id(form))
    moved = sum(step["runs"] for step in found["steps"] if step["toStep"] is not None)
    notice = f"{moved} {'run goes' if moved == 1 else 'runs go'} on in the newest version."
    if not found["isComplete"]:
        notice += " There are more: repeat it."
    return _done(page, notice)


async def _write(page: Page, form: Form, action: str, body: dict[str, Any]) -> Any:
    """Switch the workflow, in the version that the person has seen."""
    version = form.get("version", "")
    seen = {"version": int(version)} if version.isdecimal() else {}
    path = f"/api/workflows/definitions/{page.id('definition_id')}/{action}"
    found = await page.api.write("POST", path, {**body, **seen}, command_id=command_id(form))
    return found["definition"]


def _done(page: Page, notice: str) -> Done:
    return Done(f"/console/workflows/{page.id('definition_id')}", notice)


_WORKFLOW = "/workflows/{definition_id}"
ROUTES = (
    form_route(f"{_WORKFLOW}/activate", "workflow_activate.html", prepare_switch,
               activate_workflow),
    form_route(f"{_WORKFLOW}/deactivate", "workflow_deactivate.html", prepare_switch,
               deactivate_workflow),
    form_route(f"{_WORKFLOW}/move", "workflow_move.html", prepare_move, move_runs),
)  # fmt: skip
