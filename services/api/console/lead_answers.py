"""The sentence with which a lead's page begins: how the lead is, why, and what is next."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from services.api.console.days import describe_day, describe_moment
from services.api.console.parts import Parts
from services.api.console.times import describe_instant, parse_instant
from services.api.console.words import words_of

Row = Mapping[str, Any]
LIVE_TOURS = ("scheduled", "confirmed")
MAX_REASONS = 3
_REASONS = (
    ("High engagement", "engagement"), ("Engagement", "engagement"),
    ("Tour activity", "tours"), ("Tour no-show", "a tour without coming"),
    ("Timing", "recent contact"), ("Name", "a name"), ("Email provided", "an e-mail address"),
    ("Phone provided", "a phone number"),
)  # fmt: skip
"""Beginning of a factor's name → words."""


def name_lead(lead: Row) -> str:
    """Return the name of a lead, else a contact."""
    names = [name for name in (lead["first_name"], lead["last_name"]) if name]
    return " ".join(names) or lead["email"] or lead["phone"] or "Lead without a name"


def answer_lead(lead: Row, parts: Parts, now: datetime, zone: ZoneInfo) -> str:
    """Return the answer of a lead's page in a few sentences."""
    name = name_lead(lead)
    if lead["restricted_at"] is not None:
        since = describe_day(parse_instant(lead["restricted_at"]), now, zone)
        return f"{name} is restricted since {since}: no score changes and no messages are sent."
    return " ".join([_describe_standing(name, lead, parts, now, zone), *_next(parts, now, zone)])


def answer_erased(erased_at: str, zone: ZoneInfo) -> str:
    """Return the answer of the page of an erased person."""
    on = describe_instant(parse_instant(erased_at), zone)
    return f"This person was erased on {on}: there are no personal data, no score and no plan."


def _describe_standing(name: str, lead: Row, parts: Parts, now: datetime, zone: ZoneInfo) -> str:
    if lead["score"] is None:
        return f"{name} has no score yet."
    bucket = lead["score_bucket"]
    history = parts.get("scores", "scores", ())
    since = find_bucket_start(history, bucket, is_complete=parts.get("scores", "isComplete", False))
    text = f"{name} is {bucket} with {lead['score']} points"
    if since is not None:
        text += f" since {describe_day(since, now, zone)}"
    factors = history[0]["factors"] if history else ()
    reasons = list(describe_reasons(factors))
    return f"{text}: {', '.join(reasons)}." if reasons else f"{text}."


def find_bucket_start(history: Sequence[Row], bucket: str, *, is_complete: bool) -> datetime | None:
    """Return since when a score is in its bucket; None if the history does not tell."""
    since = None
    for change in history:
        if change["scoreBucket"] != bucket:
            return since
        since = parse_instant(change["scoredAt"])
    return since if is_complete else None


def describe_reasons(factors: Sequence[Row]) -> Iterator[str]:
    """Yield the strongest factors of a score in words, each with its points."""
    named = [factor for factor in factors if factor["factor"] != "Limit"]
    for factor in sorted(named, key=lambda one: -abs(int(one["impact"])))[:MAX_REASONS]:
        yield f"{_words_of_factor(factor['factor'])} {factor['impact']}"


def _words_of_factor(name: str) -> str:
    if name.startswith("Source: "):
        return f"came by {name.removeprefix('Source: ')}"
    return next((words for key, words in _REASONS if name.startswith(key)), name.lower())


def _next(parts: Parts, now: datetime, zone: ZoneInfo) -> Iterator[str]:
    """Yield what waits for an agent, and what comes next."""
    if any(one["waiting_for_human"] for one in parts.get("conversations", "conversations", ())):
        yield "Waits for a person in the chat."
    open_tasks = [task for task in parts.get("tasks", "tasks", ()) if task["status"] != "done"]
    coming: list[tuple[datetime, str]] = []
    for task in open_tasks:
        due_at = task["due_at"] and parse_instant(task["due_at"])
        if due_at and due_at < now:
            yield f"Overdue since {describe_moment(due_at, now, zone)}: {task['title']}."
        elif due_at:
            coming.append((due_at, f"task “{task['title']}”"))
    for tour in parts.get("tours", "tours", ()):
        starts_at = parse_instant(tour["starts_at"])
        if tour["status"] in LIVE_TOURS and starts_at > now:
            coming.append((starts_at, "tour"))
    for message in parts.get("deliveries", "deliveries", ()):
        forecast = message["forecast"]
        if forecast is not None and forecast["at"] is not None:
            at = parse_instant(forecast["at"])
            coming.append((at, f"{words_of(message['channel'])} message"))
    if coming:
        at, what = min(coming)
        yield f"Next: {what} {describe_moment(max(at, now), now, zone)}."
    elif not open_tasks:
        yield "Nothing is planned."
