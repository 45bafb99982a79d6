"""Old shapes of events, and the steps that bring each one version further.

A step takes the payload of one version and answers that of the next; it knows nothing but the
payload. Personal fields and their subjects keep their names through all versions, because an
erased value is looked up by today's marks.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

Payload = dict[str, Any]
Step = Callable[[Payload], Payload]


def _tour_scheduled_1(payload: Payload) -> Payload:
    """Version 1 called the agent `agent_id` and had no fold: the first of two equal times."""
    agent_id = payload.get("agent_id")
    kept = {field: value for field, value in payload.items() if field != "agent_id"}
    return {**kept, "assigned_agent_id": agent_id, "fold": 0}


def _tour_scheduled_2(payload: Payload) -> Payload:
    """Version 2 was booked by hand only, and every tour took the plan's half hour."""
    return {**payload, "duration_minutes": 30, "source": "manual"}


UPCASTS: Mapping[tuple[str, int], Step] = MappingProxyType(
    {
        ("tour.scheduled", 1): _tour_scheduled_1,
        ("tour.scheduled", 2): _tour_scheduled_2,
    }
)
"""(name, version) → the step from that version to the next."""


def upcast(name: str, version: int, current: int, payload: Payload) -> Payload:
    """`payload` of `version` in the shape of `current`."""
    for step in range(version, current):
        payload = UPCASTS[name, step](payload)
    return payload
