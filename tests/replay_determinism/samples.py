"""An event made of its frozen sample: every id in it becomes one that the house knows."""

from uuid import UUID, uuid4

import orjson

from events.consents import ConsentChannel, consent_id
from events.event import Event
from tests.events.frozen import CURRENT
from tests.replay_determinism.property import HostProperty, Step

FIRST = (".adopted", ".opened", ".defined", ".enrolled", ".planned")
"""An event whose name ends so begins the stream it belongs to."""


def by_sample(kind: type[Event], host_property: HostProperty, said: Step) -> list[Event]:
    """The sample of `kind` about what the house knows; none while it knows nothing of the sort."""
    found = {**CURRENT[kind.name].said}
    for name in found:
        if name.endswith("_id") and found[name] is not None:
            begins = name == kind.entity and kind.name.endswith(FIRST)
            there = _known(host_property, name)
            if there is not None and not there and not begins:
                return []
            found[name] = str(uuid4() if begins or not there else there[said.whom % len(there)])
            if there is None:
                host_property.others.setdefault(name, []).append(UUID(str(found[name])))
    if "consent_id" in found:
        lead_id, channel = UUID(str(found["lead_id"])), ConsentChannel(str(found["channel"]))
        found["consent_id"] = str(consent_id(lead_id, channel))
    return [kind.model_validate_json(orjson.dumps(found))]


def _known(host_property: HostProperty, name: str) -> list[UUID] | None:
    """What an id may be; None for something that no step here makes."""
    match name:
        case "property_id":
            return [host_property.id]
        case "lead_id":
            return host_property.leads
        case "session_id":
            return [session.id for session in host_property.sessions]
        case "conversation_id":
            return [talk.id for talk in host_property.conversations]
        case "tour_id":
            return [tour.id for tour in host_property.tours]
        case _:
            return host_property.others.get(name)
