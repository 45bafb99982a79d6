"""Forms of a lead's page: note, call, status, agent, message, tour, task; cancel and stop."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from events.leads import LeadStatus
from events.tours import TourType
from services.api.console.endpoints import command_id, form_route
from services.api.console.forms import Done, Form
from services.api.console.lead_answers import name_lead
from services.api.console.page import Page
from services.api.console.pages.lead import describe_messages, find_lead, names_of
from services.api.console.parts import read_parts
from services.api.console.words import words_of
from services.api.problems import Problem, not_found
from services.deciders.runs import LIVE

ANSWERED = "call_outbound_answered"


async def prepare_lead(page: Page) -> dict[str, Any]:
    """Return the lead that a form changes."""
    found = await find_lead(page)
    return {"lead": found["lead"], "name": name_lead(found["lead"]), "found": found}


async def prepare_status(page: Page) -> dict[str, Any]:
    """Return the statuses, and the statuses at which each live workflow of the lead ends."""
    values = await prepare_lead(page)
    lead = values["lead"]
    parts = await read_parts({
        "runs": page.api.get(f"/api/leads/{lead['id']}/workflow"),
        "definitions": page.api.get("/api/workflows/definitions", propertyId=lead["property_id"]),
    })  # fmt: skip
    exits = {row["id"]: row["exit_conditions"] for row in parts.get(
        "definitions", "definitions", ()
    )}  # fmt: skip
    ends = [
        (run["definition_name"], exits.get(run["workflow_id"], ()))
        for run in parts.get("runs", "runs", ())
        if run["status"] in LIVE
    ]
    return {**values, "statuses": [status.value for status in LeadStatus], "ends": ends}


async def prepare_agents(page: Page) -> dict[str, Any]:
    """Return the users to whom a lead, a tour or a task can be given."""
    values = await prepare_lead(page)
    agents = names_of(await read_parts({"agents": page.api.get("/api/agents")}))
    types = [one.value for one in TourType]
    return {**values, "agents": agents, "types": types, "zone": page.here.zone.key}


async def prepare_message(page: Page) -> dict[str, Any]:
    """Return the active templates, and the consents of the lead."""
    values = await prepare_lead(page)
    property_id = values["lead"]["property_id"]
    found = await page.api.get("/api/workflows/templates", propertyId=property_id)
    templates = [row for row in found["templates"] if row["is_active"]]
    withdrawn = {
        row["channel"] for row in values["found"]["consents"] if row["status"] == "withdrawn"
    }
    return {**values, "templates": templates, "withdrawn": withdrawn}


async def prepare_cancel(page: Page) -> dict[str, Any]:
    """Return the message that a form will cancel."""
    values = await prepare_lead(page)
    path = f"/api/leads/{values['lead']['id']}"
    parts = await read_parts({
        "deliveries": page.api.get(f"{path}/deliveries"),
        "runs": page.api.get(f"{path}/workflow"),
        "agents": page.api.get("/api/agents"),
    })  # fmt: skip
    delivery_id = str(page.id("delivery_id"))
    for message in describe_messages(page, parts):
        if message["id"] == delivery_id:
            return {**values, "message": message}
    raise not_found("message")


async def prepare_stop(page: Page) -> dict[str, Any]:
    """Return the run that a form will stop."""
    values = await prepare_lead(page)
    found = await page.api.get(f"/api/leads/{values['lead']['id']}/workflow")
    run_id = str(page.id("run_id"))
    for run in found["runs"]:
        if run["id"] == run_id:
            return {**values, "run": run}
    raise not_found("run")


async def add_note(page: Page, form: Form) -> Done:
    body = {"type": "note", "description": form.get("description", "")}
    await _write(page, form, "POST", "/activities", body)
    return _done(page, "The note is stored.", "note")


async def record_call(page: Page, form: Form) -> Done:
    """Record a call; one that was answered is also an engagement and moves the score."""
    is_answered = form.get("answered") == "yes"
    body = {
        "type": "call_made",
        "description": form.get("description", ""),
        "metadata": {"answered": is_answered},
    }
    await _write(page, form, "POST", "/activities", body)
    if not is_answered:
        return _done(page, "The call is stored.", "call")
    second_id = uuid5(UUID(command_id(form)), ANSWERED)
    engagement = {"leadId": str(page.id("lead_id")), "eventType": ANSWERED}
    await page.api.write("POST", "/api/leadpulse/events", engagement, command_id=str(second_id))
    return _done(page, "The call is stored, and counts for the score.", "call")


async def change_status(page: Page, form: Form) -> Done:
    status = form.get("status", "")
    await _change(page, form, {"status": status})
    return _done(page, f"The status is {words_of(status)} now.")


async def assign_lead(page: Page, form: Form) -> Done:
    agent_id = form.get("agent") or None
    await _change(page, form, {"assignedAgentId": agent_id})
    return _done(page, "The lead has an agent now." if agent_id else "The lead has no agent now.")


async def send_message(page: Page, form: Form) -> Done:
    body = {
        "channel": form.get("channel", ""), "message": form.get("message", ""),
        "templateSlug": form.get("template", ""), "subject": form.get("subject", ""),
    }  # fmt: skip
    await _write(page, form, "POST", "/send-message", body)
    return _done(
        page,
        "The message is planned: the sender hands it over as soon as the rules allow it.",
        "message",
    )


async def book_tour(page: Page, form: Form) -> Done:
    body = {
        "tourDate": form.get("date", ""), "tourTime": form.get("time", ""),
        "tourType": form.get("type", TourType.IN_PERSON.value), "notes": form.get("notes", ""),
        "assignedAgentId": form.get("agent") or None, "sendConfirmation": "confirm" in form,
    }  # fmt: skip
    found = await _write(page, form, "POST", "/tours", body)
    tour = found["tour"]
    notice = f"The tour on {tour['tour_date']} at {tour['tour_time'][:5]} is booked."
    return _done(page, notice, "tour")


async def create_task(page: Page, form: Form) -> Done:
    await find_lead(page)
    body = {
        "title": form.get("title", ""), "notes": form.get("notes", ""),
        "dueAt": read_local_time(form.get("due", ""), page),
        "assignedAgentId": form.get("agent") or None,
    }  # fmt: skip
    await _write(page, form, "POST", "/tasks", body)
    return _done(page, "The task is created.", "task")


async def cancel_message(page: Page, form: Form) -> Done:
    await _write(page, form, "DELETE", f"/deliveries/{page.id('delivery_id')}", None)
    return _done(page, "The message is cancelled. It will not be sent.")


async def stop_run(page: Page, form: Form) -> Done:
    body = {
        "action": "stop", "runId": str(page.id("run_id")), "reason": form.get("reason", ""),
    }  # fmt: skip
    await _write(page, form, "PATCH", "/workflow", body)
    run_path = f"/console/runs/{page.id('run_id')}"
    shown = run_path if page.query.get("from") == "run" else f"/console/leads/{page.id('lead_id')}"
    return Done(shown, "The workflow has stopped for this lead.", run_path)


def read_local_time(text: str, page: Page) -> str | None:
    """Return the instant of a local time in the property's zone. Raise 400 for another text."""
    if not text:
        return None
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(
            400, "invalid", f"{text!r} is no date with a time: choose one, such as 2027-03-01T10:30"
        ) from None
    return local.replace(tzinfo=local.tzinfo or page.here.zone).isoformat()


async def _write(page: Page, form: Form, method: str, path: str, body: Any) -> Any:
    """Execute a write of the lead of the page, once for the form."""
    return await page.api.write(
        method, f"/api/leads/{page.id('lead_id')}{path}", body, command_id=command_id(form)
    )


async def _change(page: Page, form: Form, changes: dict[str, Any]) -> None:
    body = {"leadId": str(page.id("lead_id")), **changes}
    await page.api.write("PATCH", "/api/leads", body, command_id=command_id(form))


def _done(page: Page, notice: str, what: str = "change") -> Done:
    return Done(f"/console/leads/{page.id('lead_id')}", notice, what=what)


_LEAD = "/leads/{lead_id}"
ROUTES = (
    form_route(f"{_LEAD}/note", "lead_note.html", prepare_lead, add_note),
    form_route(f"{_LEAD}/call", "lead_call.html", prepare_lead, record_call),
    form_route(f"{_LEAD}/status", "lead_status.html", prepare_status, change_status),
    form_route(f"{_LEAD}/agent", "lead_agent.html", prepare_agents, assign_lead),
    form_route(f"{_LEAD}/message", "lead_message.html", prepare_message, send_message),
    form_route(f"{_LEAD}/tour", "lead_tour.html", prepare_agents, book_tour),
    form_route(f"{_LEAD}/task", "lead_task.html", prepare_agents, create_task),
    form_route(
        f"{_LEAD}/messages/{{delivery_id}}/cancel", "lead_cancel.html", prepare_cancel,
        cancel_message,
    ),
    form_route(f"{_LEAD}/runs/{{run_id}}/stop", "lead_stop.html", prepare_stop, stop_run),
)  # fmt: skip
