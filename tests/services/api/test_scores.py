"""LeadPulse through real HTTP: what leads did, and their scores as of now."""

from uuid import uuid4

from tests.services.api.conftest import Site

EVENTS, SCORE = "/api/leadpulse/events", "/api/leadpulse/score"


async def test_what_a_lead_did_is_recorded_and_read(site: Site) -> None:
    lead = await site.lead()
    body = {"leadId": str(lead), "eventType": "email_clicked", "metadata": {"campaign": "fall"}}
    answer = await site.client.post(EVENTS, json=body, headers=site.console())
    assert answer.status_code == 200
    assert answer.json()["success"] is answer.json()["rescored"] is True
    event = answer.json()["event"]
    assert (event["leadId"], event["eventType"], event["scoreWeight"]) == (
        str(lead), "email_clicked", 15,
    )  # fmt: skip
    await site.project()
    seen = await site.client.get(EVENTS, params={"leadId": str(lead)}, headers=site.console())
    row = seen.json()["events"][0]
    assert row["id"] == event["id"]
    assert row["metadata"] == {"campaign": "fall"}
    assert row["createdAt"] == event["createdAt"]


async def test_a_key_whose_time_is_over_may_record_something_else(site: Site) -> None:
    lead, headers = await site.lead(), site.console(more={"Idempotency-Key": "one"})
    for kind in ("email_opened", "email_opened", "price_check"):
        body = {"leadId": str(lead), "eventType": kind}
        assert (await site.client.post(EVENTS, json=body, headers=headers)).status_code == 200
        await site.world.pool.execute("UPDATE crm.commands SET expires_at = '2020-01-01'")
    assert (await site.log()).count("engagement.recorded") == 3


async def test_unknown_and_derived_types_are_400_and_unknown_leads_404(site: Site) -> None:
    lead = str(await site.lead())
    for kind in ("sneezed", "tour_completed", "chat_started", ""):
        body = {"leadId": lead, "eventType": kind}
        answer = await site.client.post(EVENTS, json=body, headers=site.console())
        assert answer.status_code == 400, kind
    body = {"leadId": str(uuid4()), "eventType": "email_opened"}
    assert (await site.client.post(EVENTS, json=body, headers=site.console())).status_code == 404
    query = {"leadId": str(uuid4())}
    assert (await site.client.get(SCORE, params=query, headers=site.console())).status_code == 404


async def test_a_score_is_that_of_the_history_and_its_factors_sum(site: Site) -> None:
    lead = await site.lead(firstName="Ada", phone="2125550100")
    await site.tour(lead)
    for kind in ("email_opened", "document_viewed", "price_check"):
        body = {"leadId": str(lead), "eventType": kind}
        await site.client.post(EVENTS, json=body, headers=site.console())
    await site.project()
    query = {"leadId": str(lead)}
    answer = (await site.client.get(SCORE, params=query, headers=site.console())).json()
    score = answer["score"]
    assert answer["isNew"] is False
    assert sum(int(factor["impact"]) for factor in score["factors"]) == score["totalScore"]
    async with site.world.pool.acquire() as conn:
        last = await conn.fetchrow("SELECT * FROM lead_scores ORDER BY revision DESC LIMIT 1")
    assert last is not None
    assert score["id"] == str(last["id"])
    assert (score["totalScore"], score["factors"]) == (last["total_score"], last["factors"])
    before = await site.world.count("lead_scores")
    posted = await site.client.post(SCORE, json=query, headers=site.console())
    assert posted.json() == {"success": True, "score": score}
    assert await site.world.count("lead_scores") == before
    several = {"leadIds": [str(lead), str(uuid4())]}
    counted = await site.client.post(SCORE, json=several, headers=site.console())
    assert counted.json() == {"success": True, "processed": 2, "successful": 1, "failed": 1}
    host_property = {"propertyId": str(site.property_id)}
    counted = await site.client.post(SCORE, json=host_property, headers=site.console())
    assert counted.json() == {"success": True, "processed": 1, "successful": 1, "failed": 0}
    assert (await site.client.post(SCORE, json={}, headers=site.console())).status_code == 400


async def test_a_score_whose_time_has_come_is_new_before_the_timer(site: Site) -> None:
    world = site.world
    lead = uuid4()
    await world.append(world.new(world.captured(lead)))
    await site.project()
    query = {"leadId": str(lead)}
    answer = (await site.client.get(SCORE, params=query, headers=site.console())).json()
    assert answer["isNew"] is True
    assert answer["score"]["timingScore"] == 2
