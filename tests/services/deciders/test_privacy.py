"""The decider of a person's requests."""

from uuid import uuid4

from events.leads import LeadCaptured, LeadUpdated
from events.privacy import ExportFormat, LeadExported, LeadRectified
from services.deciders.leads import UpdateLead
from services.deciders.privacy import RecordExport, RectifyLead
from tests.services.deciders.given import given

LEAD, ADMIN, OTHER = uuid4(), uuid4(), uuid4()
ADA = LeadCaptured(lead_id=LEAD, first_name="Adda", email="ada@example.com")


def test_each_export_is_recorded() -> None:
    exported = LeadExported(lead_id=LEAD, format=ExportFormat.HTML, exported_by=ADMIN)
    for before in ((ADA,), (ADA, exported)):
        given(*before).when(RecordExport(LEAD, ExportFormat.HTML, exported_by=ADMIN)).then(exported)
    given().when(RecordExport(LEAD, ExportFormat.JSON)).refused("unknown_subject", 404)


def test_a_correction_is_the_update_of_the_details_that_differ_and_its_record() -> None:
    changes = {"first_name": "Ada", "email": "ada@example.com"}
    [updated] = given(ADA).when(UpdateLead(LEAD, {"first_name": "Ada"}, ADMIN)).events
    assert isinstance(updated, LeadUpdated)
    given(ADA).when(RectifyLead(LEAD, changes, "a typing error", ADMIN)).then(
        updated,
        LeadRectified(
            lead_id=LEAD, fields=("first_name",), reason="a typing error", rectified_by=ADMIN
        ),
    )


def test_a_correction_without_a_difference_is_no_event() -> None:
    given(ADA).when(RectifyLead(LEAD, {"first_name": "Adda"}, "a typing error")).then()


def test_a_correction_is_refused_like_an_update() -> None:
    command = RectifyLead(LEAD, {"email": "eve@example.com"}, "a typing error", ADMIN, OTHER)
    given(ADA).when(command).refused("known_lead", 409)
    given().when(RectifyLead(LEAD, {}, "a typing error")).refused("unknown_subject", 404)
