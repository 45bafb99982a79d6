"""Workflows in words: what starts them, what each step does and when, and what ends them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from services.api.console.words import words_of
from services.deciders.enrolments import MANUAL
from services.deciders.workflows import DEFAULT_MAX_AGE_HOURS, TOUR_TRIGGERS, Trigger

Row = Mapping[str, Any]
_TRIGGERS: Mapping[str, str] = {
    Trigger.LEAD_CREATED: "a lead is created",
    Trigger.TOUR_BOOKED: "a tour is booked",
    Trigger.TOUR_CONFIRMED: "a tour is confirmed",
    Trigger.TOUR_CANCELLED: "a tour is cancelled",
    Trigger.TOUR_COMPLETED: "a tour took place",
    Trigger.TOUR_NO_SHOW: "a lead did not come to a tour",
    Trigger.APPLICATION_STARTED: "a lead starts an application",
    Trigger.APPLICATION_SUBMITTED: "a lead submits an application",
    MANUAL: "a person starts it",
}
_OCCURRENCES = {
    "tour_booked": "a tour is booked", "tour_cancelled": "a tour is cancelled",
    "tour_completed": "a tour took place", "tour_no_show": "the lead did not come to a tour",
    "reply_received": "the lead writes", "opt_out": "the lead wants no messages any more",
    "application_started": "the lead starts an application",
    "application_submitted": "the lead submits an application",
}  # fmt: skip
_OPERATORS = {
    "equals": "is", "not_equals": "is not", "one_of": "is one of", "contains": "contains",
    "at_least": "is at least", "at_most": "is at most", "exists": "is known",
    "missing": "is not known",
}  # fmt: skip
_REENTRY = {
    "once": "once for a lead",
    "after_end": "again each time, but only while no run of the lead has not ended",
    "always": "again each time",
}


def describe_trigger(trigger: str) -> str:
    """Return what starts a run, after the word `when`."""
    return _TRIGGERS.get(trigger) or words_of(trigger)


def describe_occurrence(key: str) -> str:
    """Return an occurrence for which a run waits, or that ends it."""
    return _OCCURRENCES.get(key) or words_of(key)


def describe_reentry(content: Row) -> str:
    """Return how often a lead runs through a workflow."""
    rule = content["reentry"] or ("always" if content["trigger_on"] in TOUR_TRIGGERS else "once")
    text = _REENTRY[rule]
    if content["min_interval_hours"]:
        text += f", at the earliest {describe_hours(content['min_interval_hours'])} after the last"
    return text


def describe_age(content: Row) -> str:
    """Return the age from which what happened starts no run any more."""
    hours = content["max_age_hours"]
    return describe_hours(DEFAULT_MAX_AGE_HOURS if hours is None else hours)


def describe_ends(content: Row) -> list[str]:
    """Return what ends a run before its last step."""
    ends = [f"the lead is {words_of(status)}" for status in content["exit_conditions"]]
    return ends + [describe_occurrence(key) for key in content.get("exit_events", ())]


def describe_hours(hours: float) -> str:
    """Return a span of hours in its largest whole units: `1 day 6 hours`."""
    minutes = round(hours * 60)
    parts = []
    for size, name in ((1440, "day"), (60, "hour"), (1, "minute")):
        count, minutes = divmod(minutes, size)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " ".join(parts) or "0 minutes"


def describe_delay(step: Row, number: int) -> str:
    """Return when a step is due, after the step before it or after the start."""
    options = step.get("options") or {}
    after = "after the start" if number == 0 else "later"
    hours = step["delay_hours"]
    text = f"{describe_hours(hours)} {after}" if hours else "At once"
    if step["action"] == "wait_until":
        days = options.get("days", 0)
        day = f", {days} {'day' if days == 1 else 'days'} on" if days else ""
        text += f"{day}, then at {options.get('at', 'a local time')} of the property"
    return text


def describe_step(step: Row, names: Mapping[str, str], agents: Mapping[str, str]) -> str:
    """Return what a step does. `names` is slug → name of the template, `agents` user → name."""
    options = step.get("options") or {}
    match step["action"]:
        case "sms" | "email":
            slug = step["template_slug"]
            return f"Send the {words_of(step['action'])} “{names.get(slug, slug)}”"
        case "assign":
            agent = options.get("agent_id")
            if agent is None:
                return "Take the lead from its agent"
            return f"Give the lead to {agents.get(agent, 'a former user')}"
        case action:
            return _describe_action(action, options)


def _describe_action(action: str, options: Row) -> str:
    """Return what a step does whose words need neither templates nor agents."""
    match action:
        case "wait" | "wait_until":
            return "Only wait"
        case "wait_for_event":
            event = describe_occurrence(options.get("event", ""))
            return f"Wait until {event}, at most {describe_hours(options.get('limit_hours', 0))}"
        case "branch":
            conditions = " and ".join(map(_describe_condition, options.get("conditions", ())))
            return f"Choose a path: {conditions}?"
        case "split":
            return "Choose a path by chance; a lead always gets the same one"
        case "set_status":
            return f"Set the status of the lead to “{words_of(options.get('status'))}”"
        case "note":
            return f"Add a note for agents: “{options.get('text', '')}”"
        case "task":
            due = describe_hours(options.get("due_hours", 24))
            return f"Create a task, due {due} later: “{options.get('title', '')}”"
        case "webhook":
            return f"Tell another system: {urlsplit(str(options.get('url', ''))).hostname}"
        case "end":
            return "End the run"
        case _:
            return words_of(action)


def find_paths(step: Row, steps: Sequence[Row]) -> Iterator[tuple[str, int | None]]:
    """Yield why a run leaves the order of steps, and the number of the step where it goes on.

    None is the next step.
    """
    numbers = {one["id"]: number for number, one in enumerate(steps)}
    options = step.get("options") or {}
    match step["action"]:
        case "wait_for_event":
            yield "if it happens", numbers.get(options.get("on_event"))
            yield "if not", numbers.get(options.get("on_timeout"))
        case "branch":
            yield "if so", numbers.get(options.get("then"))
            yield "if not", numbers.get(options.get("otherwise"))
        case "split":
            paths = options.get("paths", ())
            total = sum(path.get("weight", 1) for path in paths) or 1
            for path in paths:
                share = round(100 * path.get("weight", 1) / total)
                yield f"{path['name']} ({share} %)", numbers.get(path.get("goes_to"))


def _describe_condition(condition: Row) -> str:
    value = condition.get("value")
    if isinstance(value, list):
        value = ", ".join(map(words_of, map(str, value)))
    text = f"{words_of(condition['field'])} {_OPERATORS.get(condition['operator'], '')}"
    return text if value is None else f"{text} {words_of(str(value))}"
