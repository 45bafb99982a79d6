"""The decider of leads, and the normalisation of contact details."""

from datetime import date
from uuid import uuid4

import pytest

from events.leads import (
    LeadAssigned,
    LeadCaptured,
    LeadNoted,
    LeadStatus,
    LeadStatusChanged,
    LeadUpdated,
    LeadZoneSet,
)
from services.deciders.contacts import normalize_email, normalize_phone
from services.deciders.decider import Refused
from services.deciders.leads import (
    OTHER_DETAILS,
    AssignLead,
    CaptureLead,
    ChangeStatus,
    Details,
    Lead,
    NoteLead,
    SetLeadZone,
    UpdateLead,
    status_after_booking,
    status_after_tour,
    streams,
)
from tests.services.deciders.given import given

LEAD, OTHER, AGENT = uuid4(), uuid4(), uuid4()
ADA = LeadCaptured(lead_id=LEAD, status=LeadStatus.NEW, source="Google", first_name="Ada",
                   email="ada@example.com", email_key="ada@example.com")  # fmt: skip
LEASED = LeadStatusChanged(lead_id=LEAD, status=LeadStatus.LEASED)


def test_the_zone_of_a_lead_is_set_once_and_never_guessed() -> None:
    phoenix = LeadZoneSet(lead_id=LEAD, lead_zone="America/Phoenix", set_by=AGENT)
    given(ADA).when(SetLeadZone(LEAD, "America/Phoenix", AGENT)).then(phoenix)
    given(ADA, phoenix).when(SetLeadZone(LEAD, "America/Phoenix", AGENT)).then()
    given(ADA, phoenix).when(SetLeadZone(LEAD, None)).then(
        LeadZoneSet(lead_id=LEAD, lead_zone=None)
    )
    given(ADA).when(SetLeadZone(LEAD, "Mars/Olympus")).refused("unknown_zone", 422)


def test_new_details_become_a_lead() -> None:
    details = Details("Google", "Ada", "", "ada@example.com")
    given().when(CaptureLead(LEAD, details)).then(ADA)


def test_a_capture_of_an_existing_lead_changes_only_new_details() -> None:
    details = Details("Widget", "Ada", None, "ada@example.com", "+12125550100", date(2027, 2, 1))
    given(ADA).when(CaptureLead(OTHER, details, existing_lead=LEAD)).then(
        LeadUpdated(
            lead_id=LEAD,
            phone="+12125550100",
            phone_key="+12125550100",
            move_in_date=date(2027, 2, 1),
        )
    )
    given(ADA).when(CaptureLead(OTHER, Details(first_name="Ada"), existing_lead=LEAD)).then()


def test_a_capture_that_only_fills_keeps_what_the_lead_has() -> None:
    details = Details("Widget", "Eve", "Lace", "ada@example.com", notes="a dog")
    command = CaptureLead(OTHER, details, existing_lead=LEAD, note="a cat", fills_only=True)
    given(ADA).when(command).then(
        LeadUpdated(lead_id=LEAD, last_name="Lace", notes="a dog"),
        LeadNoted(lead_id=LEAD, note=f"a cat\n{OTHER_DETAILS}\nFirst name: Eve"),
    )


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


def test_an_agent_is_assigned_once_and_nobody_is_assigned_with_none() -> None:
    assigned = LeadAssigned(lead_id=LEAD, assigned_agent_id=AGENT, assigned_by=OTHER)
    given(ADA).when(AssignLead(LEAD, AGENT, OTHER)).then(assigned)
    given(ADA, assigned).when(AssignLead(LEAD, AGENT)).then()
    given(ADA, assigned).when(AssignLead(LEAD, None)).then(
        LeadAssigned(lead_id=LEAD, assigned_agent_id=None)
    )
    given(ADA).when(AssignLead(LEAD, None)).then()
    given().when(AssignLead(LEAD, AGENT)).refused("unknown_subject", 404)


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


@pytest.mark.parametrize(
    "command",
    [UpdateLead(LEAD, {}), ChangeStatus(LEAD, LeadStatus.LOST), NoteLead(LEAD, "x"),
     CaptureLead(OTHER, Details(), existing_lead=LEAD)],
    ids=lambda command: type(command).__name__,
)  # fmt: skip
def test_a_lead_that_does_not_exist_is_unknown(command: object) -> None:
    given().when(command).refused("unknown_subject", 404)


def test_contact_details_are_normalized() -> None:
    assert normalize_email(" Ada@EXAMPLE.com ") == "Ada@EXAMPLE.com"
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


@pytest.mark.parametrize(("status", "booked", "visited"), [
    (LeadStatus.NEW, LeadStatus.TOUR_BOOKED, LeadStatus.TOURED),
    (LeadStatus.CONTACTED, LeadStatus.TOUR_BOOKED, LeadStatus.TOURED),
    (LeadStatus.TOUR_BOOKED, None, LeadStatus.TOURED), (LeadStatus.TOURED, None, None),
    (LeadStatus.APPLIED, None, None), (LeadStatus.QUALIFIED, None, None),
    (LeadStatus.LEASED, None, None), (LeadStatus.LOST, None, None),
])  # fmt: skip
def test_a_tour_only_moves_a_lead_forward(
    status: LeadStatus, booked: LeadStatus | None, visited: LeadStatus | None
) -> None:
    lead = Lead(True, status)
    assert (status_after_booking(lead), status_after_tour(lead)) == (booked, visited)


def test_a_capture_reads_the_existing_lead_and_other_commands_their_own() -> None:
    capture = CaptureLead(LEAD, Details(), existing_lead=OTHER)
    read = [streams(command)[0].entity_id for command in (capture, CaptureLead(LEAD, Details()))]
    assert read == [OTHER, LEAD]
    assert streams(NoteLead(LEAD, "text"))[0].entity_id == LEAD


def test_a_capture_replaces_details_unless_it_only_fills_empty_ones() -> None:
    details = Details(first_name="Grace")
    capture = CaptureLead(LEAD, details, existing_lead=LEAD)
    given(ADA).when(capture).then(LeadUpdated(lead_id=LEAD, first_name="Grace"))
