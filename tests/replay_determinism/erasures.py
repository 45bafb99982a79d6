"""Steps of erasures in a history."""

from events.event import Event
from events.leads import LeadErased
from tests.replay_determinism.property import HistoryStep, PropertyModel

EVENTS = (LeadErased,)


def erase_lead(model: PropertyModel, step: HistoryStep) -> list[Event]:
    """Erase a lead with its sessions and conversations; its history may go on."""
    lead_id = model.lead(step.target)
    if lead_id is None:
        return []
    sessions = tuple(s.id for s in model.sessions if s.lead_id == lead_id)
    conversations = tuple(c.id for c in model.conversations if c.lead_id == lead_id)
    return [LeadErased(lead_id=lead_id, reason="request", session_ids=sessions,
                       conversation_ids=conversations)]  # fmt: skip
