"""Examples for `leads`: given events, the rows that they leave."""

from datetime import date
from uuid import UUID

import pytest

from events.deliveries import DeliveryChannel, DeliveryHandedOver, DeliveryPurpose
from events.leads import (
    ContactChannel,
    LeadAdopted,
    LeadAssigned,
    LeadCaptured,
    LeadContacted,
    LeadImported,
    LeadStatus,
    LeadStatusChanged,
    LeadUpdated,
)
from events.merges import LeadMerged, LeadUnmerged
from projections.engine.working_set import PoisonEvent
from projections.leads import projection
from tests.projections.given import CONVERSATION, LEAD, ORG, PROPERTY, at, only, rows_of

CAPTURED = LeadCaptured(lead_id=LEAD, source="Google", first_name="Ada", email="ada@example.com")


def test_a_captured_lead_is_a_row_with_its_contact_details() -> None:
    (row,) = rows_of(projection, CAPTURED)
    assert {key: value for key, value in row.items() if value is not None} == {
        "id": LEAD, "org_id": ORG, "property_id": PROPERTY, "source": "Google", "first_name": "Ada",
        "email": "ada@example.com", "status": "new", "created_at": at(1), "updated_at": at(1),
    }  # fmt: skip


def test_an_update_changes_the_named_fields_and_null_clears_one() -> None:
    update = LeadUpdated(lead_id=LEAD, email=None, move_in_date=date(2026, 6, 1))
    (row,) = rows_of(projection, CAPTURED, update)
    assert (row["first_name"], row["email"], row["move_in_date"]) == ("Ada", None, date(2026, 6, 1))
    assert (row["created_at"], row["updated_at"]) == (at(1), at(2))


def test_contact_and_status_events_change_their_columns() -> None:
    rows = rows_of(
        projection, CAPTURED, LeadContacted(lead_id=LEAD, channel=ContactChannel.CALL),
        LeadStatusChanged(lead_id=LEAD, status=LeadStatus.CONTACTED),
    )  # fmt: skip
    assert only(rows, "last_contacted_at", "status", "updated_at") == [(at(2), "contacted", at(3))]


def test_the_last_contact_is_the_latest_one_that_reached_somebody() -> None:
    contact = LeadContacted(lead_id=LEAD, channel=ContactChannel.CALL)
    handed_over = DeliveryHandedOver(
        delivery_id=UUID(int=50), lead_id=LEAD, channel=DeliveryChannel.SMS,
        purpose=DeliveryPurpose.MANUAL, provider="x", attempt=1, simulated=False,
    )  # fmt: skip
    simulated = handed_over.model_copy(update={"simulated": True})
    for events, expected in (
        ((contact, handed_over), at(3)),
        ((contact, simulated), at(2)),
        ((simulated,), None),
        ((handed_over.model_copy(update={"purpose": DeliveryPurpose.TEST}),), None),
        ((handed_over.model_copy(update={"channel": DeliveryChannel.WEBHOOK}),), None),
        ((contact, (contact, at(1))), at(2)),  # recorded later, but it was earlier
    ):
        assert only(rows_of(projection, CAPTURED, *events), "last_contacted_at") == [(expected,)]


def test_imported_and_adopted_leads_keep_their_former_values() -> None:
    imported = LeadImported(lead_id=LEAD, external_id="x1", status=LeadStatus.LOST)
    assert only(rows_of(projection, imported), "external_id", "status") == [("x1", "lost")]
    adopted = LeadAdopted(lead_id=LEAD, status=LeadStatus.LEASED, last_contacted_at=at(9))
    assert only(rows_of(projection, adopted), "last_contacted_at", "status") == [(at(9), "leased")]
    with_update_time = adopted.model_copy(update={"updated_at": at(8)})
    with_update_time.model_fields_set.add("updated_at")
    assert only(rows_of(projection, with_update_time), "created_at", "updated_at") == [
        (at(1), at(8))
    ]


def test_an_assigned_agent_is_in_the_row_until_nobody_is_assigned() -> None:
    assigned = LeadAssigned(lead_id=LEAD, assigned_agent_id=CONVERSATION)
    assert only(rows_of(projection, CAPTURED), "assigned_agent_id") == [(None,)]
    rows = rows_of(projection, CAPTURED, assigned)
    assert only(rows, "assigned_agent_id", "updated_at") == [(CONVERSATION, at(2))]
    rows = rows_of(
        projection, CAPTURED, assigned, LeadAssigned(lead_id=LEAD, assigned_agent_id=None)
    )
    assert only(rows, "assigned_agent_id") == [(None,)]


def test_a_second_capture_of_a_lead_is_a_poison_event() -> None:
    with pytest.raises(PoisonEvent) as poison:
        rows_of(projection, CAPTURED, CAPTURED)
    assert str(poison.value.error).endswith("exists already")


def test_a_merged_lead_refers_to_the_winner_until_it_is_unmerged() -> None:
    merged = LeadMerged(loser_id=LEAD, winner_id=CONVERSATION)
    rows = rows_of(projection, CAPTURED, merged)
    assert only(rows, "merged_into", "updated_at", "email") == [
        (CONVERSATION, at(2), "ada@example.com")
    ]
    unmerged = LeadUnmerged(loser_id=LEAD, winner_id=CONVERSATION)
    assert only(rows_of(projection, CAPTURED, merged, unmerged), "merged_into") == [(None,)]
