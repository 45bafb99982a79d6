"""Runs in words: their state, what happened to them, and what to do if they make no progress."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.api.console.days import describe_moment
from services.api.console.step_words import describe_occurrence, describe_trigger
from services.api.console.times import parse_instant
from services.api.console.words import words_of
from services.application.stuck_runs import StuckCode
from services.deciders.delivery_steps import REASONS, describe_reason

Row = Mapping[str, Any]
STATES = {"waiting": "wait", "finished": "are finished", "stopped": "were stopped"}
TAGS = {"active": "waiting", "paused": "waiting", "completed": "ok", "converted": "ok",
        "stopped": "failed"}  # fmt: skip
ADVICE = {
    StuckCode.BLOCKED: "Repair what the reason names, for example activate the template. Then the "
    "step is tried again by itself, or at once when an operator repairs the run.",
    StuckCode.OVERDUE: "The process that does the steps does not run: ask an operator.",
    StuckCode.LOST_TIMER: "Nothing will move it by itself: ask an operator to repair the run.",
    StuckCode.PARKED: "An event of it is parked, so this page may be behind: ask an operator.",
}
"""Code of a run that makes no progress → what an agent can do."""
_CODED = re.compile(r"([a-z][a-z_]*)(?:: (.*))?", re.DOTALL)


def describe_problem(text: str | None) -> str:
    """Return a reason that may begin with its code: `missing_value: there is no value for x`."""
    if not text:
        return "no reason is known"
    coded = _CODED.fullmatch(text)
    if coded is None:
        return text
    code, rest = coded[1], coded[2]
    if rest is None:
        return describe_reason(code)
    return f"{REASONS[code]}: {rest}" if code in REASONS else rest


def describe_run(run: Row, now: datetime, zone: ZoneInfo) -> str:
    """Return the state of a run as the end of a sentence."""
    step = f"step {run['current_step'] + 1}"
    if run["step"] is not None:
        step += f" ({run['step']['id']})"
    match run["status"]:
        case "active" if run["waits_for"]:
            text = f"waits at {step} until {describe_occurrence(run['waits_for'])}"
            if run["next_action_at"]:
                text += f", at most until {_moment(run['next_action_at'], now, zone)}"
            return text
        case "active" if run["next_action_at"]:
            at = parse_instant(run["next_action_at"])
            moment = describe_moment(at, now, zone)
            return f"waits for {step}, due {moment}" if at > now else (
                f"is due for {step} since {moment}"
            )  # fmt: skip
        case "active":
            return f"waits for {step}"
        case "paused":
            return f"is paused before {step}"
        case "completed":
            return "has done all its steps"
        case "converted":
            return f"has ended: {run['stop_reason']}"
        case _:
            return f"was stopped: {describe_problem(run['stop_reason'])}"


def describe_event(
    event: Row, now: datetime, zone: ZoneInfo, agents: Mapping[str, str], steps: int
) -> str:
    """Return an event of a run as a sentence. `steps` is the number of steps of its version."""
    details = event["details"]
    match event["type"]:
        case "run.enrolled":
            text = f"It began, because {describe_trigger(details['trigger'])}"
            if details["trigger"] == "manual":
                text = f"{_person(details.get('enrolled_by'), agents)} started it"
            return f"{text}, with version {details['definition_version']}" + _next(
                details, now, zone
            )
        case "run.step_reached":
            return _describe_step_event(details, now, zone, steps)
        case "run.paused":
            return _with_reason(f"{_person(details.get('paused_by'), agents)} paused it", details)
        case "run.resumed":
            text = f"{_person(details.get('resumed_by'), agents)} resumed it"
            return text + _next(details, now, zone)
        case "run.moved":
            place = f"step {details['step_number'] + 1} of version {details['definition_version']}"
            text = f"{_person(details.get('moved_by'), agents)} moved it to {place}"
            return _with_reason(text + _next(details, now, zone), details)
        case "run.stopped":
            who = details.get("stopped_by")
            text = f"{_person(who, agents)} stopped it" if who else "It was stopped"
            return f"{text}: {describe_problem(details['reason'])}"
        case "run.converted":
            return f"It ended: the lead is {words_of(details['status'])}"
        case "run.completed":
            return "It ended: all steps are done"
        case other:
            return words_of(other)


def _describe_step_event(details: Row, now: datetime, zone: ZoneInfo, steps: int) -> str:
    name = f"Step {details['step_number'] + 1} ({details['step_id']})"
    action = words_of(details["action"])
    following = details.get("next_step_number")
    next_at = details.get("next_action_at")
    after = ""
    if following is not None and following < steps and next_at:
        after = f"; then step {following + 1}, due {_moment(next_at, now, zone)}"
    match details["outcome"]:
        case "planned":
            return f"{name}: the {action} message was planned{after}"
        case "waited" if details.get("choice") == "timeout":
            return f"{name}: it did not happen in time{after}"
        case "waited":
            return f"{name}: the time has come{after}"
        case "skipped":
            return (
                f"{name}: skipped, because {describe_problem(details.get('error_message'))}{after}"
            )
        case "failed":
            return (
                f"{name}: failed, because {describe_problem(details.get('error_message'))}{after}"
            )
        case "waiting":
            event = describe_occurrence(details.get("waits_for", ""))
            until = f", at most until {_moment(next_at, now, zone)}" if next_at else ""
            return f"{name}: waits until {event}{until}"
        case _:
            choice = details.get("choice")
            path = f", path “{words_of(choice)}”" if choice else ""
            return f"{name}: {action} done{path}{after}"


def _next(details: Row, now: datetime, zone: ZoneInfo) -> str:
    at = details.get("next_action_at")
    return f"; its next step is due {_moment(at, now, zone)}" if at else ""


def _moment(at: str, now: datetime, zone: ZoneInfo) -> str:
    return describe_moment(parse_instant(at), now, zone)


def _person(user: str | None, agents: Mapping[str, str]) -> str:
    return agents.get(user, "A former user") if user else "An operator"


def _with_reason(text: str, details: Row) -> str:
    return f"{text}: {details['reason']}" if details.get("reason") else text
