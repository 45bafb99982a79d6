"""The list of a property's workflows, with their runs and those that make no progress."""

from typing import Any

from starlette.responses import Response

from services.api.console.endpoints import command_id, form_route, page_route
from services.api.console.forms import Done, Form
from services.api.console.lead_answers import name_lead
from services.api.console.page import Page
from services.api.console.parts import read_parts
from services.api.console.run_counts import RunTotals, sum_by, sum_runs
from services.api.console.run_words import ADVICE, describe_problem
from services.api.console.step_words import describe_trigger
from services.application.stuck_runs import StuckCode
from services.deciders.default_templates import TEMPLATES
from services.deciders.default_workflows import WORKFLOWS


async def show_workflows(page: Page) -> Response:
    """Show the workflows of a property, active ones first."""
    property_id = page.here.id
    parts = await read_parts({
        "definitions": page.api.get("/api/workflows/definitions", propertyId=property_id),
        "counts": page.api.get("/api/workflows/runs/counts", propertyId=property_id),
        "stuck": page.api.get("/api/workflows/runs/stuck", propertyId=property_id),
    })  # fmt: skip
    counts = parts.get("counts", "counts", ())
    totals = sum_by(counts, "definitionId")
    rows = [
        {
            **row, "starts": describe_trigger(row["trigger_on"]),
            "totals": totals.get(row["id"], RunTotals()),
        }
        for row in parts.get("definitions", "definitions", ())
    ]  # fmt: skip
    return page.render(
        "workflows.html", parts=parts, total=sum_runs(counts),
        rows=sorted(rows, key=lambda row: not row["is_active"]),
        active=sum(row["is_active"] for row in rows),
        stuck=[describe_stuck(one) for one in parts.get("stuck", "stuck", ())],
    )  # fmt: skip


def describe_stuck(stuck: dict[str, Any]) -> dict[str, Any]:
    """Return a run that makes no progress, with its reason and advice in words."""
    run = stuck["run"]
    return {
        **stuck, "why": describe_problem(stuck["reason"]),
        "advice": ADVICE[StuckCode(stuck["code"])],
        "lead_name": name_lead(run["lead"]) if run else "a lead that is not shown yet",
    }  # fmt: skip


async def prepare_defaults(page: Page) -> dict[str, Any]:
    """Return the names of what the form creates."""
    return {
        "choice": page.here, "workflows": [one.content.display_name for one in WORKFLOWS],
        "template_count": len(TEMPLATES),
    }  # fmt: skip


async def seed_workflows(page: Page, form: Form) -> Done:
    """Create the standard workflows and templates that the property lacks."""
    found = await page.api.write(
        "POST", "/api/workflows/seed-defaults", {"propertyId": str(page.here.id)},
        command_id=command_id(form),
    )  # fmt: skip
    return Done(
        page.here.path("workflows"),
        f"{found['definitionsCreated']} workflows and {found['templatesCreated']} templates are "
        "new. They are not active yet.",
    )


_WORKFLOWS = "/properties/{property_id}/workflows"
ROUTES = (
    page_route(_WORKFLOWS, show_workflows, is_personal=False),
    form_route(f"{_WORKFLOWS}/defaults", "workflow_defaults.html", prepare_defaults,
               seed_workflows),
)  # fmt: skip
