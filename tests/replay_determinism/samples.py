"""Events made from their frozen samples, with ids of the property's entities."""

from uuid import UUID, uuid4

import orjson

from events.consents import ConsentChannel, consent_id
from events.event import Event
from tests.events.frozen import CURRENT
from tests.replay_determinism.property import HistoryStep, PropertyModel

FIRST_EVENTS = (".adopted", ".opened", ".defined", ".enrolled", ".planned", ".issued")
"""Endings of event types that begin a stream."""


def event_of_sample(kind: type[Event], model: PropertyModel, step: HistoryStep) -> list[Event]:
    """Return the sample of `kind` with existing ids; no event if an entity is missing."""
    fields = {**CURRENT[kind.name].fields}
    for name in fields:
        if name.endswith("_id") and fields[name] is not None:
            is_first = name == kind.entity and kind.name.endswith(FIRST_EVENTS)
            ids = _ids_of(model, name)
            if ids is not None and not ids and not is_first:
                return []
            fields[name] = str(uuid4() if is_first or not ids else ids[step.target % len(ids)])
            if ids is None:
                model.others.setdefault(name, []).append(UUID(str(fields[name])))
    if "consent_id" in fields:
        lead_id, channel = UUID(str(fields["lead_id"])), ConsentChannel(str(fields["channel"]))
        fields["consent_id"] = str(consent_id(lead_id, channel))
    return [kind.model_validate_json(orjson.dumps(fields))]


def _ids_of(model: PropertyModel, name: str) -> list[UUID] | None:
    """Return the possible values of an id field; None if no step makes such ids."""
    match name:
        case "property_id":
            return [model.id]
        case "lead_id":
            return model.leads
        case "session_id":
            return [session.id for session in model.sessions]
        case "conversation_id":
            return [conversation.id for conversation in model.conversations]
        case "tour_id":
            return [tour.id for tour in model.tours]
        case _:
            return model.others.get(name)
