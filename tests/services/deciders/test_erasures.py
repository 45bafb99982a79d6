"""The decider of erasures, and what an erased lead means for other deciders."""

from uuid import UUID, uuid4

import pytest

from events.event import Event
from events.leads import MAX_ERASED_IDS, ContactChannel, LeadCaptured, LeadErased, LeadStatus
from events.restrictions import LeadRestricted
from services.deciders.erasures import ErasedLead, EraseLeads
from services.deciders.leads import (
    CaptureLead,
    ChangeStatus,
    ContactLead,
    Details,
    NoteLead,
    UpdateLead,
)
from services.deciders.restrictions import LiftRestriction, RestrictLead
from tests.services.deciders.given import given

LEAD, LOSER, SESSION, CHAT, AGENT = (uuid4() for _ in range(5))
ADA = LeadCaptured(lead_id=LEAD, email="ada@example.com", phone="+12125550100")
BOB = LeadCaptured(lead_id=LOSER, email="bob@example.com")
ERASED = LeadErased(
    lead_id=LEAD, reason="request 7", erased_by=AGENT, session_ids=(SESSION,),
    conversation_ids=(CHAT,),
)  # fmt: skip


def erase(*leads: ErasedLead) -> EraseLeads:
    return EraseLeads(leads or (ErasedLead(LEAD, (SESSION,), (CHAT,)),), "request 7", AGENT)


def test_an_erasure_names_the_sessions_and_conversations_with_reason_and_actor() -> None:
    given(ADA).when(erase()).then(ERASED)


def test_each_lead_of_a_person_has_an_erasure_of_its_own() -> None:
    loser = LeadErased(lead_id=LOSER, reason="request 7", erased_by=AGENT)
    command = erase(ErasedLead(LEAD, (SESSION,), (CHAT,)), ErasedLead(LOSER))
    given(ADA, BOB).when(command).then(ERASED, loser)


def test_a_repetition_erases_only_what_was_linked_since() -> None:
    given(ADA, ERASED).when(erase()).then()
    later = uuid4()
    given(ADA, ERASED).when(erase(ErasedLead(LEAD, (SESSION,), (CHAT, later)))).then(
        LeadErased(lead_id=LEAD, reason="request 7", erased_by=AGENT, conversation_ids=(later,))
    )


def test_more_ids_than_an_event_holds_make_several_events() -> None:
    ids = tuple(UUID(int=n) for n in range(MAX_ERASED_IDS + 1))

    def erasure(sessions: tuple[UUID, ...], chats: tuple[UUID, ...]) -> Event:
        return LeadErased(lead_id=LEAD, reason="request 7", erased_by=AGENT, session_ids=sessions,
                          conversation_ids=chats)  # fmt: skip

    given(ADA).when(erase(ErasedLead(LEAD, ids[:1], ids))).then(
        erasure(ids[:1], ids[:-1]), erasure((), ids[-1:])
    )


def test_an_unknown_lead_cannot_be_erased() -> None:
    given().when(erase()).refused("unknown_subject", 404)


@pytest.mark.parametrize(
    "command",
    [UpdateLead(LEAD, {"email": "ada@example.com"}), NoteLead(LEAD, "x"),
     ChangeStatus(LEAD, LeadStatus.LOST), ContactLead(LEAD, ContactChannel.CALL),
     CaptureLead(LOSER, Details(first_name="Ada"), existing_lead=LEAD),
     RestrictLead(LEAD, "a dispute"), LiftRestriction(LEAD, "it is settled")],
    ids=lambda command: type(command).__name__,
)  # fmt: skip
def test_an_erased_lead_takes_no_more_changes(command: object) -> None:
    given(ADA, ERASED).when(command).refused("lead_erased")
    given(ADA, LeadRestricted(lead_id=LEAD, reason="a dispute"), ERASED).when(command).refused(
        "lead_erased"
    )
