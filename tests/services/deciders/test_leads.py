"""The decider of leads, and the normalisation of contact details."""

from datetime import date
from uuid import uuid4

import pytest

from events.claims import EMAIL, PHONE, is_identifying
from events.leads import (
    LeadCaptured,
    LeadErased,
    LeadNoted,
    LeadStatus,
    LeadStatusChanged,
    LeadUpdated,
)
from services.deciders.contacts import normalize_email, normalize_phone
from services.deciders.decider import Refused
from services.deciders.leads import CaptureLead, ChangeStatus, Details, NoteLead, UpdateLead
from tests.services.deciders.given import given

LEAD, OTHER, AGENT = uuid4(), uuid4(), uuid4()
ADA = LeadCaptured(lead_id=LEAD, status=LeadStatus.NEW, source="Google", first_name="Ada",
                   email="ada@example.com")  # fmt: skip
LEASED = LeadStatusChanged(lead_id=LEAD, status=LeadStatus.LEASED)


def test_new_details_become_a_lead() -> None:
    details = Details("Google", "Ada", "", "ada@example.com")
    given().when(CaptureLead(LEAD, details)).then(ADA)


def test_a_capture_of_an_existing_lead_changes_only_new_details() -> None:
    details = Details("Widget", "Ada", None, "ada@example.com", "+12125550100", date(2027, 2, 1))
    given(ADA).when(CaptureLead(OTHER, details, existing_lead=LEAD)).then(
        LeadUpdated(lead_id=LEAD, phone="+12125550100", move_in_date=date(2027, 2, 1))
    )
    given(ADA).when(CaptureLead(OTHER, Details(first_name="Ada"), existing_lead=LEAD)).then()


def test_a_capture_can_add_a_note() -> None:
    given(ADA).when(CaptureLead(OTHER, Details(), existing_lead=LEAD, note="a dog")).then(
        LeadNoted(lead_id=LEAD, note="a dog")
    )


def test_a_repeated_capture_changes_nothing_and_another_one_is_refused() -> None:
    given(ADA).when(CaptureLead(LEAD, Details(first_name="Ada"))).then()
    given(ADA).when(CaptureLead(LEAD, Details(first_name="Eve"))).refused("id_reused", 422)


def test_null_empties_a_detail_and_an_absent_one_stays() -> None:
    given(ADA).when(UpdateLead(LEAD, {"first_name": None}, AGENT)).then(
        LeadUpdated(lead_id=LEAD, first_name=None, updated_by=AGENT)
    )
    given(ADA).when(UpdateLead(LEAD, {"first_name": "Ada"})).then()


def test_an_e_mail_address_of_another_lead_is_refused() -> None:
    command = UpdateLead(LEAD, {"email": "eve@example.com"}, email_owner=OTHER)
    given(ADA).when(command).refused("known_lead", 409)


@pytest.mark.parametrize("status", [s for s in LeadStatus if s is not LeadStatus.LEASED])
def test_the_status_of_a_leased_lead_cannot_be_changed(status: LeadStatus) -> None:
    given(ADA, LEASED).when(ChangeStatus(LEAD, status)).refused("leased", 409)


def test_the_same_status_changes_nothing() -> None:
    given(ADA).when(ChangeStatus(LEAD, LeadStatus.NEW)).then()
    given(ADA).when(ChangeStatus(LEAD, LeadStatus.LOST, "gone", AGENT)).then(
        LeadStatusChanged(lead_id=LEAD, status=LeadStatus.LOST, previous_status=LeadStatus.NEW,
                          reason="gone", changed_by=AGENT)
    )  # fmt: skip


def test_erased_details_can_be_set_again() -> None:
    given(ADA, LeadErased(lead_id=LEAD)).when(UpdateLead(LEAD, {"email": "ada@example.com"})).then(
        LeadUpdated(lead_id=LEAD, email="ada@example.com")
    )


@pytest.mark.parametrize(
    "command",
    [UpdateLead(LEAD, {}), ChangeStatus(LEAD, LeadStatus.LOST), NoteLead(LEAD, "x"),
     CaptureLead(OTHER, Details(), existing_lead=LEAD)],
    ids=lambda command: type(command).__name__,
)  # fmt: skip
def test_a_lead_that_does_not_exist_is_unknown(command: object) -> None:
    given().when(command).refused("unknown_subject", 404)


def test_contact_details_are_normalized() -> None:
    assert normalize_email(" Ada@EXAMPLE.com ") == "ada@example.com"
    assert normalize_phone("(212) 555-0100") == normalize_phone("+1 212 555 0100") == "+12125550100"
    assert normalize_phone("030 1234567", "DE") == "+49301234567"
    assert normalize_phone("555-0123") == "555-0123"
    assert (normalize_email(" "), normalize_phone("")) == (None, None)


@pytest.mark.parametrize("text", ["ada", "ada@", "@x.com", "a b@c.de", "ada@nowhere"])
def test_a_malformed_e_mail_address_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        normalize_email(text)


@pytest.mark.parametrize("text", ["call me", "1", "n/a", "+" + "1" * 30])
def test_a_malformed_phone_number_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        normalize_phone(text)


def test_placeholder_contact_details_identify_nobody() -> None:
    assert not is_identifying(EMAIL, "test@example.com")
    assert not is_identifying(EMAIL, "test+1@example.com")
    assert not is_identifying(PHONE, normalize_phone("000-000-0000") or "")
    assert not is_identifying(PHONE, normalize_phone("0000") or "")
    assert is_identifying(EMAIL, "testa@example.com")
    assert is_identifying(PHONE, "+12125550100")
