"""The history of a score over HTTP: what moved it, and by how much."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from events.engagements import EngagementRecorded, EngagementType
from events.leads import LeadCaptured
from events.scores import ScoreDue
from tests.services.api.site import Site


async def list_changes(site: Site, lead: UUID, **query: Any) -> Any:
    response = await site.client.get(
        f"/api/leads/{lead}/scores", params=query, headers=site.console_headers(site.viewer)
    )
    assert response.status_code == 200, response.text
    return response.json()


async def create_moved_lead(site: Site) -> UUID:
    """Create a lead whose score moves by an engagement, and then by time."""
    lead, world = uuid4(), site.world
    captured = LeadCaptured(lead_id=lead, source="Google", email="ada@example.com")
    clicked = EngagementRecorded(
        engagement_id=uuid4(), lead_id=lead, event_type=EngagementType.EMAIL_CLICKED,
        score_weight=15,
    )  # fmt: skip
    due_at = world.now + timedelta(days=20)
    await world.append(
        world.new(captured, at=world.now),
        world.new(clicked, at=world.now + timedelta(hours=1)),
        world.new(ScoreDue(lead_id=lead, due_at=due_at), at=due_at),
    )
    await site.project()
    return lead


async def test_each_change_has_its_amount_and_the_events_that_moved_it(site: Site) -> None:
    lead = await create_moved_lead(site)
    found = await list_changes(site, lead)
    changes = found["scores"]
    assert found["isComplete"]
    types = [{event["type"] for event in change["events"]} for change in changes]
    assert types[-1] == {"lead.captured"}
    assert {"engagement.recorded"} in types
    assert types[0] == set()  # time alone
    for change, older in zip(changes, [*changes[1:], None], strict=True):
        assert change["change"] == change["totalScore"] - (older["totalScore"] if older else 0)
        assert change["change"] == sum(change["parts"].values())
        assert sum(int(f["impact"]) for f in change["factors"]) == change["totalScore"]


async def test_a_part_of_the_history_is_compared_with_the_row_before_it(site: Site) -> None:
    lead = await create_moved_lead(site)
    whole = (await list_changes(site, lead))["scores"]
    part = await list_changes(site, lead, limit=1)
    assert (part["scores"], part["isComplete"]) == (whole[:1], False)


async def test_the_history_ends_with_the_current_score(site: Site) -> None:
    lead = await site.create_lead(firstName="Ada", phone="+12125550123")
    await site.project()
    changes = (await list_changes(site, lead))["scores"]
    response = await site.client.get(
        "/api/leadpulse/score", params={"leadId": str(lead)}, headers=site.console_headers()
    )
    assert changes[0]["id"] == response.json()["score"]["id"]
    assert changes[0]["factors"] == response.json()["score"]["factors"]
