"""Upcasts: functions that convert the payload of an old event version to the next version.

An upcast depends on the payload only. Personal fields and their data subjects keep their names in
all versions, because the codec finds an erased value by the marks of the current version.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

Payload = dict[str, Any]
Upcast = Callable[[Payload], Payload]


def _tour_scheduled_1(payload: Payload) -> Payload:
    """Convert version 1: rename `agent_id` and add the fold of the first of two equal times."""
    agent_id = payload.get("agent_id")
    unchanged = {field: value for field, value in payload.items() if field != "agent_id"}
    return {**unchanged, "assigned_agent_id": agent_id, "fold": 0}


def _tour_scheduled_2(payload: Payload) -> Payload:
    """Convert version 2: all its tours were booked by users and took 30 minutes."""
    return {**payload, "duration_minutes": 30, "source": "manual"}


UPCASTS: Mapping[tuple[str, int], Upcast] = MappingProxyType(
    {
        ("tour.scheduled", 1): _tour_scheduled_1,
        ("tour.scheduled", 2): _tour_scheduled_2,
    }
)
"""(name, version) → the function that converts that version to the next one."""


def upcast(name: str, version: int, current: int, payload: Payload) -> Payload:
    """Return a payload of `version` as a payload of version `current`."""
    for old_version in range(version, current):
        payload = UPCASTS[name, old_version](payload)
    return payload
