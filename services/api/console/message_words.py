"""The state of a message to a lead in words, with times in the property's zone."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.api.console.days import describe_moment
from services.api.console.times import parse_instant
from services.api.console.words import words_of
from services.deciders.delivery_steps import describe_reason

Row = Mapping[str, Any]
SENT = ("sent", "delivered")
RULES = {
    "conversation": "an agent's reply in a conversation",
    "tour_confirmation": "confirmation of the tour",
    "tour_change": "the tour was moved",
    "tour_cancellation": "the tour was cancelled",
    "tour_reminder_24h": "reminder 24 hours before the tour",
    "tour_reminder_1h": "reminder 1 hour before the tour",
    "test": "test of a template",
}
_TAGS = {"sent": "ok", "delivered": "ok", "failed": "failed", "skipped": "failed",
         "never_sent": "failed"}  # fmt: skip


def tag_of(message: Row) -> str:
    """Return the colour of a message's state: ok, waiting or failed."""
    return _TAGS.get(message["status"], "waiting")


def describe_rule(message: Row, workflows: Mapping[str, str], agents: Mapping[str, str]) -> str:
    """Return the rule that planned a message. `workflows` is run → name of the workflow."""
    if message["runId"] is not None:
        name = workflows.get(message["runId"], "workflow")
        return f"{name}, step {(message['stepNumber'] or 0) + 1}"
    if message["purpose"] in RULES:
        return RULES[message["purpose"]]
    return f"written by {agents.get(message['requestedBy'], 'a person')}"


def describe_state(message: Row, now: datetime, zone: ZoneInfo) -> str:
    """Return the state of a message and its reason as a sentence."""
    next_at = message["nextAt"] and parse_instant(message["nextAt"])
    reason = describe_reason(message["reason"]) if message["reason"] else ""
    forecast = message["forecast"]
    match message["status"]:
        case "planned" if forecast is not None:
            return _describe_forecast(forecast, "", now, zone)
        case "held" if forecast is not None:
            return _describe_forecast(forecast, reason, now, zone)
        case "held":
            return f"held until {describe_moment(next_at, now, zone)}: {reason}"
        case "released":
            detail = message["history"][-1]["detail"] or reason
            again = f", next attempt {describe_moment(next_at, now, zone)}" if next_at else ""
            return f"the provider did not get it{again}: {detail}"
        case "claimed":
            return "a sender is handing it over now"
        case _:
            return str(message["explanation"])


def _describe_forecast(forecast: Row, held_for: str, now: datetime, zone: ZoneInfo) -> str:
    """Return when a message leaves, and what holds it until then.

    `held_for` is the rule that holds it now: the forecast has a reason only if another rule, or the
    same one, will hold it at that time again.
    """
    reason = describe_reason(forecast["reason"]) if forecast["reason"] else ""
    if forecast["at"] is None:
        return f"not going to be sent: {reason}"
    leaves_at = parse_instant(forecast["at"])
    at = describe_moment(max(leaves_at, now), now, zone)
    reason = reason or (held_for if leaves_at > now else "")
    return f"held until {at}: {reason}" if reason else f"leaves {at}"


def describe_values(values: Row | None) -> str:
    """Return what the rules compared, for the details of a message: "quiet hours (from: 21:00)"."""
    return ", ".join(_describe_value(name, value) for name, value in (values or {}).items())


def _describe_value(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{words_of(name)} ({describe_values(value)})"
    return f"{words_of(name)}: {value}"
