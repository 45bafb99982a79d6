"""`leads` by example."""

from datetime import date

import pytest

from events.leads import (
    ContactChannel,
    LeadAdopted,
    LeadCaptured,
    LeadContacted,
    LeadImported,
    LeadMerged,
    LeadStatus,
    LeadStatusChanged,
    LeadUnmerged,
    LeadUpdated,
)
from projections.engine.working_set import Poison
from projections.leads import projection
from tests.projections.given import HOUSE, LEAD, ORG, TALK, at, only, rows_of

CAPTURED = LeadCaptured(lead_id=LEAD, source="Google", first_name="Ada", email="ada@example.com")


def test_a_captured_lead_is_a_row_with_what_was_said() -> None:
    (row,) = rows_of(projection, CAPTURED)
    assert {key: value for key, value in row.items() if value is not None} == {
        "id": LEAD, "org_id": ORG, "property_id": HOUSE, "source": "Google", "first_name": "Ada",
        "email": "ada@example.com", "status": "new", "created_at": at(1), "updated_at": at(1),
    }  # fmt: skip


def test_an_update_changes_what_it_names_and_null_empties() -> None:
    update = LeadUpdated(lead_id=LEAD, email=None, move_in_date=date(2026, 6, 1))
    (row,) = rows_of(projection, CAPTURED, update)
    assert (row["first_name"], row["email"], row["move_in_date"]) == ("Ada", None, date(2026, 6, 1))
    assert (row["created_at"], row["updated_at"]) == (at(1), at(2))


def test_a_contact_and_a_status_are_remembered() -> None:
    rows = rows_of(
        projection, CAPTURED, LeadContacted(lead_id=LEAD, channel=ContactChannel.CALL),
        LeadStatusChanged(lead_id=LEAD, status=LeadStatus.CONTACTED),
    )  # fmt: skip
    assert only(rows, "last_contacted_at", "status", "updated_at") == [(at(2), "contacted", at(3))]


def test_imported_and_adopted_leads_keep_what_they_had() -> None:
    imported = LeadImported(lead_id=LEAD, external_id="x1", status=LeadStatus.LOST)
    assert only(rows_of(projection, imported), "external_id", "status") == [("x1", "lost")]
    adopted = LeadAdopted(lead_id=LEAD, status=LeadStatus.LEASED, last_contacted_at=at(9))
    assert only(rows_of(projection, adopted), "last_contacted_at", "status") == [(at(9), "leased")]
    known = adopted.model_copy(update={"updated_at": at(8)})
    known.model_fields_set.add("updated_at")
    assert only(rows_of(projection, known), "created_at", "updated_at") == [(at(1), at(8))]


def test_a_lead_arrives_once() -> None:
    with pytest.raises(Poison, match="there already"):
        rows_of(projection, CAPTURED, CAPTURED)


def test_a_merged_lead_points_to_the_other_until_it_is_unmerged() -> None:
    merged = LeadMerged(loser_id=LEAD, winner_id=TALK)
    rows = rows_of(projection, CAPTURED, merged)
    assert only(rows, "merged_into", "updated_at", "email") == [(TALK, at(2), "ada@example.com")]
    unmerged = LeadUnmerged(loser_id=LEAD, winner_id=TALK)
    assert only(rows_of(projection, CAPTURED, merged, unmerged), "merged_into") == [(None,)]
