"""Leads: captured once, kept up to date, never moved back from a lease."""

from datetime import date
from uuid import uuid4

import pytest

from events.claims import EMAIL, PHONE, identifies
from events.leads import (
    LeadCaptured,
    LeadErased,
    LeadNoted,
    LeadStatus,
    LeadStatusChanged,
    LeadUpdated,
)
from services.deciders.contacts import email_of, phone_of
from services.deciders.decider import Refused
from services.deciders.leads import CaptureLead, ChangeStatus, Details, NoteLead, UpdateLead
from tests.services.deciders.given import given

LEAD, OTHER, AGENT = uuid4(), uuid4(), uuid4()
ADA = LeadCaptured(lead_id=LEAD, status=LeadStatus.NEW, source="Google", first_name="Ada",
                   email="ada@example.com")  # fmt: skip
LEASED = LeadStatusChanged(lead_id=LEAD, status=LeadStatus.LEASED)


def test_a_stranger_becomes_a_lead() -> None:
    details = Details("Google", "Ada", "", "ada@example.com")
    given().when(CaptureLead(LEAD, details)).then(ADA)


def test_a_known_person_changes_only_what_is_new_and_not_empty() -> None:
    details = Details("Widget", "Ada", None, "ada@example.com", "+12125550100", date(2027, 2, 1))
    given(ADA).when(CaptureLead(OTHER, details, known=LEAD)).then(
        LeadUpdated(lead_id=LEAD, phone="+12125550100", move_in_date=date(2027, 2, 1))
    )
    given(ADA).when(CaptureLead(OTHER, Details(first_name="Ada"), known=LEAD)).then()


def test_a_note_comes_with_the_capture() -> None:
    given(ADA).when(CaptureLead(OTHER, Details(), known=LEAD, note="a dog")).then(
        LeadNoted(lead_id=LEAD, note="a dog")
    )


def test_the_same_capture_again_is_nothing_and_another_is_refused() -> None:
    given(ADA).when(CaptureLead(LEAD, Details(first_name="Ada"))).then()
    given(ADA).when(CaptureLead(LEAD, Details(first_name="Eve"))).refused("id_reused", 422)


def test_null_empties_and_absent_stays() -> None:
    given(ADA).when(UpdateLead(LEAD, {"first_name": None}, AGENT)).then(
        LeadUpdated(lead_id=LEAD, first_name=None, updated_by=AGENT)
    )
    given(ADA).when(UpdateLead(LEAD, {"first_name": "Ada"})).then()


def test_an_e_mail_of_another_lead_is_refused() -> None:
    command = UpdateLead(LEAD, {"email": "eve@example.com"}, email_owner=OTHER)
    given(ADA).when(command).refused("known_lead", 409)


@pytest.mark.parametrize("status", [s for s in LeadStatus if s is not LeadStatus.LEASED])
def test_a_lead_that_has_leased_stays_leased(status: LeadStatus) -> None:
    given(ADA, LEASED).when(ChangeStatus(LEAD, status)).refused("leased", 409)


def test_the_same_status_again_is_nothing() -> None:
    given(ADA).when(ChangeStatus(LEAD, LeadStatus.NEW)).then()
    given(ADA).when(ChangeStatus(LEAD, LeadStatus.LOST, "gone", AGENT)).then(
        LeadStatusChanged(lead_id=LEAD, status=LeadStatus.LOST, previous_status=LeadStatus.NEW,
                          reason="gone", changed_by=AGENT)
    )  # fmt: skip


def test_what_was_erased_is_not_known_any_more() -> None:
    given(ADA, LeadErased(lead_id=LEAD)).when(UpdateLead(LEAD, {"email": "ada@example.com"})).then(
        LeadUpdated(lead_id=LEAD, email="ada@example.com")
    )


@pytest.mark.parametrize(
    "command",
    [UpdateLead(LEAD, {}), ChangeStatus(LEAD, LeadStatus.LOST), NoteLead(LEAD, "x"),
     CaptureLead(OTHER, Details(), known=LEAD)],
    ids=lambda command: type(command).__name__,
)  # fmt: skip
def test_nothing_is_decided_about_a_lead_that_is_not_there(command: object) -> None:
    given().when(command).refused("unknown_subject", 404)


def test_contacts_are_kept_in_one_form() -> None:
    assert email_of(" Ada@EXAMPLE.com ") == "ada@example.com"
    assert phone_of("(212) 555-0100") == phone_of("+1 212 555 0100") == "+12125550100"
    assert phone_of("030 1234567", "DE") == "+49301234567"
    assert phone_of("555-0123") == "555-0123"
    assert (email_of(" "), phone_of("")) == (None, None)


@pytest.mark.parametrize("text", ["ada", "ada@", "@x.com", "a b@c.de", "ada@nowhere"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        email_of(text)


@pytest.mark.parametrize("text", ["call me", "1", "n/a", "+" + "1" * 30])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        phone_of(text)


def test_junk_identifies_nobody() -> None:
    assert not identifies(EMAIL, "test@example.com")
    assert not identifies(EMAIL, "test+1@example.com")
    assert not identifies(PHONE, phone_of("000-000-0000") or "")
    assert not identifies(PHONE, phone_of("0000") or "")
    assert identifies(EMAIL, "testa@example.com")
    assert identifies(PHONE, "+12125550100")
