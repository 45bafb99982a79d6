"""Upcasts: functions that convert the payload of an old event version to the next version.

An upcast depends on the payload only. Personal fields and their data subjects keep their names in
all versions, because the codec finds an erased value by the marks of the current version. An upcast
may drop a personal field.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

Payload = dict[str, Any]
Upcast = Callable[[Payload], Payload]


def _session_started_1(payload: Payload) -> Payload:
    """Convert version 1: drop the clear visitor id. Stored events of version 1 were migrated."""
    return {field: value for field, value in payload.items() if field != "visitor_id"}


def _tour_scheduled_1(payload: Payload) -> Payload:
    """Convert version 1: rename `agent_id` and add the fold of the first of two equal times."""
    agent_id = payload.get("agent_id")
    unchanged = {field: value for field, value in payload.items() if field != "agent_id"}
    return {**unchanged, "assigned_agent_id": agent_id, "fold": 0}


def _tour_scheduled_2(payload: Payload) -> Payload:
    """Convert version 2: all its tours were booked by users and took 30 minutes."""
    return {**payload, "duration_minutes": 30, "source": "manual"}


def _lead_imported_1(payload: Payload) -> Payload:
    """Convert version 1: it had no metadata."""
    return {**payload, "metadata": {}}


def _lead_erased_1(payload: Payload) -> Payload:
    """Convert version 1: it could omit the reason."""
    return {**payload, "reason": payload.get("reason") or "unknown"}


def _without_contact_keys(payload: Payload) -> Payload:
    """Convert a version of a lead's details in which no contact key was decided.

    The claims of such events were derived once, in the database, when the keys came.
    """
    return payload


UPCASTS: Mapping[tuple[str, int], Upcast] = MappingProxyType(
    {
        ("lead.captured", 1): _without_contact_keys,
        ("lead.imported", 1): _lead_imported_1,
        ("lead.imported", 2): _without_contact_keys,
        ("lead.adopted", 1): _without_contact_keys,
        ("lead.updated", 1): _without_contact_keys,
        ("lead.erased", 1): _lead_erased_1,
        ("session.started", 1): _session_started_1,
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
