"""The certificate of an erasure: what was found, destroyed and looked at, signed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from events.leads import LeadErased
from events.log import read
from events.log.connection import Connection
from events.log.erasures import find_lost_erasures
from events.privacy import LeadErasureCompleted
from events.record import RecordedEvent, Stream
from services.privacy.erasures import ErasureState, list_erasures
from services.privacy.inspection import InspectedPlace, inspect
from services.privacy.signature import sign, verify

REMAINS = (
    "ids, times, types, counts and scores of the person, without names and texts",
    "keyed hashes of contacts that opted out of messages",
    "encrypted values in the log, in its backups and on the topics, without their keys",
    "tables in backups of the database until these expire",
    "the write-ahead log until it is recycled, and dead rows until VACUUM",
    "records of producers on the topic of the intake until its retention has passed",
    "columns that the host added to its tables, and copies that the host made",
)
"""The copies that an erasure does not remove."""


class NotErased(Exception):
    """The person is not erased, or the erasure is not complete. The message says which."""


async def issue_certificate(
    conn: Connection, lead_ids: Sequence[UUID], now: datetime
) -> dict[str, Any]:
    """Return the signed certificate of a person, in the open transaction. Raises `NotErased`."""
    erasures = await list_erasures(conn, lead_ids=lead_ids)
    if not erasures:
        raise NotErased(f"lead {lead_ids[0]} is not erased")
    for erasure in erasures:
        if erasure.state is not ErasureState.COMPLETED:
            raise NotErased(f"the erasure of lead {erasure.lead_id} is only {erasure.state}")
    subjects = frozenset[UUID]().union(*(erasure.subjects for erasure in erasures))
    places = await inspect(conn, {erasure.property_id for erasure in erasures}, subjects)
    streams = [Stream("lead", erasure.lead_id) for erasure in erasures]
    history = await read.streams(conn, streams)
    return await sign(conn, {
        "document": "certificate of erasure",
        "issued_at": _instant(now),
        "org_id": str(erasures[0].org_id),
        "property_ids": sorted({str(erasure.property_id) for erasure in erasures}),
        "lead_ids": [str(erasure.lead_id) for erasure in erasures],
        "subject_ids": sorted(map(str, subjects)),
        "erasures": [_describe_erasure(recorded) for recorded in history
                     if isinstance(recorded.event, LeadErased)],
        "destroyed": [_describe_completion(recorded) for recorded in history
                      if isinstance(recorded.event, LeadErasureCompleted)],
        "looked_at": [_describe_place(place) for place in places],
        "is_unreadable": not any(place.has_problem for place in places),
        "remains": list(REMAINS),
    })  # fmt: skip


async def check_certificate(
    conn: Connection, document: Mapping[str, Any]
) -> tuple[list[InspectedPlace], list[UUID]]:
    """Look again; return the places with problems, and subjects without an erasure.

    The log has these subjects and lacks their erasure. In the open transaction. Raises
    `InvalidCertificate`.
    """
    await verify(conn, document)
    properties = map(UUID, document["property_ids"])
    subjects = frozenset(map(UUID, document["subject_ids"]))
    missing = [subject.id for subject in await find_lost_erasures(conn, subjects)]
    places = await inspect(conn, properties, subjects)
    return [place for place in places if place.has_problem], missing


def _describe_erasure(recorded: RecordedEvent) -> dict[str, Any]:
    event = recorded.event
    if not isinstance(event, LeadErased):
        raise TypeError(event.name)
    return {
        "event_id": str(recorded.id),
        "lead_id": str(event.lead_id),
        "session_ids": [str(key) for key in event.session_ids],
        "conversation_ids": [str(key) for key in event.conversation_ids],
        "actor": recorded.actor,
        "erased_by": None if event.erased_by is None else str(event.erased_by),
        "reason": event.reason,
        "erased_at": _instant(recorded.occurred_at),
    }


def _describe_place(place: InspectedPlace) -> dict[str, Any]:
    return asdict(place) | {"changed": list(map(str, place.changed))}


def _describe_completion(recorded: RecordedEvent) -> dict[str, Any]:
    event = recorded.event
    if not isinstance(event, LeadErasureCompleted):
        raise TypeError(event.name)
    return {
        "lead_id": str(event.lead_id),
        "completed_at": _instant(recorded.occurred_at),
        "keys": event.keys,
        "rows": dict(event.erased_rows),
    }


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat()
