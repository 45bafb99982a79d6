"""The timeline of a lead in words, with one entry for what two tables record."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.api.console.words import words_of

Row = Mapping[str, Any]
BOOKINGS = ("tour_booked", "tour_scheduled")
_LOCAL_TIME = re.compile(r"(?P<day>\d{4}-\d{2}-\d{2}) at (?P<time>\d{2}:\d{2})")
_TOUR = re.compile(r"(?P<type>[a-z_]+) tour on (?P<at>\d{4}-\d{2}-\d{2} at \d{2}:\d{2})")


def describe_timeline(items: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the entries of a page, newest first, without those that repeat another one.

    The activity of a booking or a message is left out if the tour or the message is on the page:
    that entry gets the activity's author. A score that has the total of the score before is left
    out, too.
    """
    shown = {item["id"]: dict(item) for item in items if item["kind"] in ("tour", "delivery")}
    entries = []
    for number, item in enumerate(items):
        if item["kind"] == "activity":
            if (repeated := shown.get(_subject_of(item))) is not None:
                repeated["created_by"] = item["created_by"]
            else:
                entries.append({**item, **describe_activity(item)})
        elif item["kind"] != "score" or not _is_unchanged(item, items[number + 1 :]):
            entries.append(shown.get(item["id"]) or dict(item))
    return entries


def describe_activity(item: Row) -> dict[str, str]:
    """Return `name` and `text` of an activity; the text does not repeat the name."""
    kind, text, metadata = item["type"], item["description"] or "", item["metadata"] or {}
    name = words_of(kind)
    if kind == "status_change" and metadata.get("status"):
        before = metadata.get("previous_status")
        text = f"from {words_of(before)} " * bool(before) + f"to {words_of(metadata['status'])}"
        return {"name": "status changed", "text": text}
    if kind in BOOKINGS and (tour := _TOUR.fullmatch(text)):
        return {"name": name, "text": f"{words_of(tour['type'])}, {_words_of_times(tour['at'])}"}
    if kind == "tour_rescheduled":
        return {"name": "tour moved", "text": _words_of_times(text.removeprefix("Tour moved "))}
    if text.lower().startswith(name.replace("email", "e-mail").lower()):
        return {"name": text, "text": ""}
    return {"name": name, "text": text}


def _subject_of(item: Row) -> str | None:
    """Return the id of the tour that an activity booked, or of the message that it reports."""
    metadata = item["metadata"] or {}
    found: str | None = metadata.get("delivery_id")
    return metadata.get("tour_id") if item["type"] in BOOKINGS else found


def _is_unchanged(score: Row, older: Sequence[Row]) -> bool:
    """Return whether the score before has the same total; false if it is not on the page."""
    before = next((item for item in older if item["kind"] == "score"), None)
    return before is not None and before["total_score"] == score["total_score"]


def _words_of_times(text: str) -> str:
    """Return a text with its local times as `Fri 4 Dec 2026, 10:30`."""

    def describe(found: re.Match[str]) -> str:
        day = datetime.fromisoformat(found["day"])
        return f"{day:%a} {day.day} {day:%b %Y}, {found['time']}"

    return _LOCAL_TIME.sub(describe, text)
