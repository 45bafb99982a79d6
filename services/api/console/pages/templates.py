"""The templates of a property, one with its preview for a lead, and their forms."""

from typing import Any

from starlette.responses import Response

from events.workflows import MessageChannel
from services.api.console.endpoints import command_id, form_route, page_route
from services.api.console.forms import Done, Form
from services.api.console.lead_choice import read_choice
from services.api.console.page import Page
from services.api.console.pages.lead import names_of
from services.api.console.parts import Parts, read_parts
from services.deciders.rendering import VARIABLES

TEMPLATES = "/api/workflows/templates"
DEFINITIONS = "/api/workflows/definitions"


async def list_templates(page: Page) -> Response:
    """Show the templates of a property, active ones first."""
    parts = await read_parts({
        "templates": page.api.get(TEMPLATES, propertyId=page.here.id),
        "definitions": page.api.get(DEFINITIONS, propertyId=page.here.id),
    })  # fmt: skip
    rows = [
        {**row, "users": find_users(row["slug"], parts)}
        for row in parts.get("templates", "templates", ())
    ]
    return page.render(
        "templates.html", parts=parts, rows=sorted(rows, key=lambda row: not row["is_active"]),
        active=sum(row["is_active"] for row in rows),
        waiting=[
            row for row in rows
            if not row["is_active"] and any(user["is_active"] for user in row["users"])
        ],
    )  # fmt: skip


async def show_template(page: Page) -> Response:
    """Show the text of a template, its versions, and what a chosen lead would get."""
    found = await find_template(page)
    template = found["template"]
    choice = await read_choice(page)
    reads = {
        "definitions": page.api.get(DEFINITIONS, propertyId=template["property_id"]),
        "agents": page.api.get("/api/agents"),
    }
    if choice.lead is not None:
        reads["preview"] = page.api.get(
            f"{TEMPLATES}/{template['id']}/preview", leadId=choice.lead["id"]
        )
    parts = await read_parts(reads)
    return page.render(
        "template.html", row=template, versions=found["versions"], choice=choice,
        parts=parts, preview=parts.bodies.get("preview"), agents=names_of(parts),
        users=find_users(template["slug"], parts),
    )  # fmt: skip


async def find_template(page: Page) -> Any:
    """Return the template of the page with its versions, and make its property the page's."""
    found = await page.api.get(f"{TEMPLATES}/{page.id('template_id')}")
    page.at_property(found["template"]["property_id"])
    return found


def find_users(slug: str, parts: Parts) -> list[dict[str, Any]]:
    """Return the workflows whose newest version sends a template."""
    return [
        row
        for row in parts.get("definitions", "definitions", ())
        if any(step["template_slug"] == slug for step in row["steps"])
    ]


async def prepare_new(page: Page) -> dict[str, Any]:
    """Return what the form of a new template offers."""
    return {
        "choice": page.here, "channels": [channel.value for channel in MessageChannel],
        "variables": VARIABLES,
    }  # fmt: skip


async def prepare_change(page: Page) -> dict[str, Any]:
    """Return a template, and the workflows whose next messages have the new text."""
    template = (await find_template(page))["template"]
    parts = await read_parts({
        "definitions": page.api.get(DEFINITIONS, propertyId=template["property_id"])
    })  # fmt: skip
    return {
        "row": template, "users": find_users(template["slug"], parts),
        "variables": VARIABLES,
    }  # fmt: skip


def read_text(form: Form) -> str:
    """Return the text of a template; browsers send other ends of lines than are stored."""
    return form.get("body", "").replace("\r\n", "\n")


async def create_template(page: Page, form: Form) -> Done:
    body = {
        "propertyId": str(page.here.id), "slug": form.get("slug", ""),
        "name": form.get("name", ""), "channel": form.get("channel", ""),
        "subject": form.get("subject") or None, "body": read_text(form),
        "isActive": "active" in form,
    }  # fmt: skip
    found = await page.api.write("POST", TEMPLATES, body, command_id=command_id(form))
    template = found["template"]
    return Done(f"/console/templates/{template['id']}", f"{template['name']} is a template now.")


async def change_template(page: Page, form: Form) -> Done:
    """Save a new version, unless somebody else has saved one meanwhile."""
    version = form.get("version", "")
    body = {
        "name": form.get("name", ""), "subject": form.get("subject") or None,
        "body": read_text(form), "isActive": "active" in form,
        "changeReason": form.get("reason") or None,
        **({"version": int(version)} if version.isdecimal() else {}),
    }  # fmt: skip
    path = f"{TEMPLATES}/{page.id('template_id')}"
    found = await page.api.write("PATCH", path, body, command_id=command_id(form))
    template = found["template"]
    return Done(
        f"/console/templates/{template['id']}",
        f"{template['name']} has version {template['version']} now.",
    )


async def retire_template(page: Page, form: Form) -> Done:
    path = f"{TEMPLATES}/{page.id('template_id')}"
    await page.api.write("DELETE", path, command_id=command_id(form))
    return Done(
        f"/console/templates/{page.id('template_id')}", "The template is not used any more."
    )


_LIST, _ONE = "/properties/{property_id}/templates", "/templates/{template_id}"
ROUTES = (
    page_route(_LIST, list_templates, is_personal=False),
    form_route(f"{_LIST}/new", "template_new.html", prepare_new, create_template),
    page_route(_ONE, show_template),
    form_route(f"{_ONE}/edit", "template_edit.html", prepare_change, change_template),
    form_route(f"{_ONE}/retire", "template_retire.html", prepare_change, retire_template),
)
