"""Scores of leads (LeadPulse) over HTTP."""

from uuid import uuid4

from tests.services.api.site import Site

ENGAGEMENTS, SCORE = "/api/leadpulse/events", "/api/leadpulse/score"


async def test_the_score_of_an_unknown_lead_is_not_found(site: Site) -> None:
    query = {"leadId": str(uuid4())}
    response = await site.client.get(SCORE, params=query, headers=site.console_headers())
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_a_score_equals_the_stored_score_and_the_sum_of_its_factors(site: Site) -> None:
    lead = await site.create_lead(firstName="Ada", phone="2125550100")
    await site.book_tour(lead)
    for kind in ("email_opened", "document_viewed", "price_check"):
        body = {"leadId": str(lead), "eventType": kind}
        await site.client.post(ENGAGEMENTS, json=body, headers=site.console_headers())
    await site.project()
    query = {"leadId": str(lead)}
    body = (await site.client.get(SCORE, params=query, headers=site.console_headers())).json()
    score = body["score"]
    assert body["isNew"] is False
    assert sum(int(factor["impact"]) for factor in score["factors"]) == score["totalScore"]
    async with site.world.pool.acquire() as conn:
        stored = await conn.fetchrow("SELECT * FROM lead_scores ORDER BY revision DESC LIMIT 1")
    assert stored is not None
    assert score["id"] == str(stored["id"])
    assert (score["totalScore"], score["factors"]) == (stored["total_score"], stored["factors"])
    before = await site.world.count("lead_scores")
    posted = await site.client.post(SCORE, json=query, headers=site.console_headers())
    assert posted.json() == {"success": True, "score": score}
    assert await site.world.count("lead_scores") == before
    several_leads = {"leadIds": [str(lead), str(uuid4())]}
    counts = await site.client.post(SCORE, json=several_leads, headers=site.console_headers())
    assert counts.json() == {"success": True, "processed": 2, "successful": 1, "failed": 1}
    whole_property = {"propertyId": str(site.property_id)}
    counts = await site.client.post(SCORE, json=whole_property, headers=site.console_headers())
    assert counts.json() == {"success": True, "processed": 1, "successful": 1, "failed": 0}
    assert (
        await site.client.post(SCORE, json={}, headers=site.console_headers())
    ).status_code == 400


async def test_a_score_that_changed_by_time_alone_is_new_before_the_timer_runs(site: Site) -> None:
    world = site.world
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    await site.project()
    query = {"leadId": str(lead)}
    body = (await site.client.get(SCORE, params=query, headers=site.console_headers())).json()
    assert body["isNew"] is True
    assert body["score"]["timingScore"] == 2
