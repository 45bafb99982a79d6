"""The page of today: leads to call, tours, conversations that wait, tasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.responses import Response

from services.api.console.endpoints import command_id, form_route, page_route
from services.api.console.forms import Done, Form
from services.api.console.page import Page
from services.api.console.times import describe_duration, parse_instant
from services.api.problems import not_found


@dataclass(frozen=True, slots=True)
class Answer:
    """A part of the sentence that answers: a number as a link to its rows, and the words after."""

    counted: str
    link: str
    words: str


async def show_today(page: Page) -> Response:
    """Show the day of the property."""
    day = await page.api.get("/api/today", propertyId=page.here.id)
    days: dict[str, list[Any]] = {"Today": [], "Tomorrow": []}
    for tour in day["tours"]:
        days["Today" if tour["tour_date"] == day["date"] else "Tomorrow"].append(tour)
    return page.render(
        "today.html", day=day, days=days, answers=answer_day(day, page.now),
        counts={
            "call": _count(day["leads"], day["hasMoreLeads"], "lead"),
            "conversation": _count(
                day["conversations"], day["hasMoreConversations"], "conversation"
            ),
            "task": _count(day["tasks"], day["hasMoreTasks"], "task"),
        },
    )  # fmt: skip


def answer_day(day: dict[str, Any], now: datetime) -> list[Answer]:
    """Return what is most urgent; an empty list if nothing waits."""
    hot = [lead for lead in day["leads"] if lead["score_bucket"] == "hot"]
    answers = []
    if hot:
        is_cut = day["hasMoreLeads"] and len(hot) == len(day["leads"])
        since = [reason["since"] for lead in hot for reason in lead["reasons"][:1]]
        words = _waits(len(hot), "a call", since, now, is_cut=is_cut)
        answers.append(Answer(_count(hot, is_cut, "hot lead"), "#calls", words))
    if conversations := day["conversations"]:
        is_cut = day["hasMoreConversations"]
        since = [row["waiting_since"] for row in conversations]
        words = _waits(len(conversations), "a person", since, now, is_cut=is_cut)
        counted = _count(conversations, is_cut, "conversation")
        answers.append(Answer(counted, "#conversations", words))
    if answers:
        return answers
    if leads := day["leads"]:
        words = "waits for a first call" if len(leads) == 1 else "wait for a first call"
        answers.append(Answer(_count(leads, day["hasMoreLeads"], "warm lead"), "#calls", words))
    tours = [tour for tour in day["tours"] if tour["tour_date"] == day["date"]]
    if tours and not answers:
        words = "is planned for today" if len(tours) == 1 else "are planned for today"
        answers.append(Answer(_count(tours, False, "tour"), "#tours", words))
    if (tasks := day["tasks"]) and not answers:
        words = "is open" if len(tasks) == 1 else "are open"
        answers.append(Answer(_count(tasks, day["hasMoreTasks"], "task"), "#tasks", words))
    return answers


def _waits(count: int, purpose: str, since: Sequence[str], now: datetime, *, is_cut: bool) -> str:
    """Return what follows a number of leads or conversations that wait."""
    span = describe_duration(now - min(map(parse_instant, since)))
    if count == 1:
        return f"waits for {purpose}, for {span}"
    return f"wait for {purpose}" + ("" if is_cut else f"; the oldest for {span}")


def _count(rows: Sequence[Any], is_cut: bool, noun: str) -> str:
    """Return the number of rows with its noun: `more than 50 tasks`."""
    count = f"{'More than ' if is_cut else ''}{len(rows)}"
    return f"{count} {noun}" if len(rows) == 1 and not is_cut else f"{count} {noun}s"


async def prepare_finish(page: Page) -> dict[str, Any]:
    """Return the task that a form will finish."""
    task = (await page.api.get(f"/api/tasks/{page.id('task_id')}"))["task"]
    if task["property_id"] != str(page.here.id):
        raise not_found("task")
    found = await page.api.get("/api/leads/" + task["lead_id"])
    return {"task": task, "lead": found["lead"]}


async def finish_task(page: Page, form: Form) -> Done:
    """Finish a task, with its result."""
    body = {"done": True, "result": form.get("result", "")}
    found = await page.api.write(
        "PATCH", f"/api/tasks/{page.id('task_id')}", body, command_id=command_id(form)
    )
    return Done(page.here.path("today"), f"The task “{found['task']['title']}” is done.")


ROUTES = (
    page_route("/properties/{property_id}/today", show_today, is_personal=False),
    form_route(
        "/properties/{property_id}/tasks/{task_id}/finish", "finish_task.html", prepare_finish,
        finish_task,
    ),
)  # fmt: skip
