"""The contract with the existing console: its requests and the response fields that it reads."""

from uuid import uuid4

import pytest

from tests.services.api.client_contract import (
    ANY,
    FLAG,
    ID,
    INSTANT,
    LEAD_ROW,
    NUMBER,
    PROBLEM,
    SCORE,
    STRING,
    TOUR_LEAD,
    TOUR_ROW,
    send,
)
from tests.services.api.site import (
    CHAT,
    NEXT_MONTH,
    WIDGET_ADMIN,
    WIDGET_CONFIG,
    Site,
    create_profile,
)


@pytest.fixture
def site(site_anywhere: Site) -> Site:
    return site_anywhere


async def test_the_leads_of_the_console(site: Site) -> None:
    console, property_id = site.console_headers(), str(site.property_id)
    created = await send(
        site, "POST", "/api/leads", 201, {"lead": LEAD_ROW}, headers=console,
        json={"propertyId": property_id, "firstName": "Ada", "lastName": "L",
              "email": "ada@example.com", "phone": "+1 415 555 2671", "moveInDate": "2027-05-01",
              "bedrooms": "2", "notes": "quiet"},
    )  # fmt: skip
    assert created["lead"]["source"] == "manual"
    lead = created["lead"]["id"]
    await send(
        site, "POST", "/api/leads", 409, {**PROBLEM, "lead": LEAD_ROW}, headers=console,
        json={"propertyId": property_id, "email": "ADA@example.com"},
    )  # fmt: skip
    listed = await send(
        site, "GET", "/api/leads", 200,
        {
            "leads": [LEAD_ROW],
            "pagination": {"page": NUMBER, "limit": NUMBER, "total": NUMBER, "totalPages": NUMBER},
            "filters": {"sources": [STRING], "statuses": [STRING]},
            "statusSummary": ANY,
        },
        headers=console,
        params={"propertyId": property_id, "search": "ada", "sortBy": "score", "sortOrder": "desc"},
    )  # fmt: skip
    assert [row["id"] for row in listed["leads"]] == [lead]
    assert listed["pagination"] == {"page": 1, "limit": 25, "total": 1, "totalPages": 1}
    assert listed["statusSummary"]["new"] == 1
    changed = await send(
        site, "PATCH", "/api/leads", 200, {"lead": LEAD_ROW}, headers=console,
        json={"leadId": lead, "status": "contacted", "notes": "called"},
    )  # fmt: skip
    assert (changed["lead"]["status"], changed["lead"]["notes"]) == ("contacted", "called")
    activity = {"id": ID, "type": STRING, "description": "text?", "metadata": ANY,
                "created_by": "id?", "created_at": INSTANT}  # fmt: skip
    await send(
        site, "POST", f"/api/leads/{lead}/activities", 201, {}, headers=console,
        json={"type": "note", "description": "likes the pool"},
    )  # fmt: skip
    activities = await send(
        site, "GET", f"/api/leads/{lead}/activities", 200, {"activities": [activity]},
        headers=console,
    )  # fmt: skip
    assert "likes the pool" in [row["description"] for row in activities["activities"]]
    viewer = site.console_headers(site.viewer)
    await send(
        site, "GET", "/api/leads", 200, {}, headers=viewer, params={"propertyId": property_id}
    )
    await send(site, "PATCH", "/api/leads", 403, PROBLEM, headers=viewer, json={"leadId": lead})
    await send(site, "GET", "/api/leads", 400, PROBLEM, headers=console)


async def test_the_tours_of_the_console(site: Site) -> None:
    lead, console = await site.create_lead(), site.console_headers()
    path = f"/api/leads/{lead}/tours"
    created = await send(
        site, "POST", path, 201, {"tour": TOUR_ROW, "lead": TOUR_LEAD}, headers=console,
        json={"tourDate": str(NEXT_MONTH), "tourTime": "11:00", "notes": "with a dog"},
    )  # fmt: skip
    assert created["tour"]["tour_type"] == "in_person"
    tour = created["tour"]["id"]
    moved = await send(
        site, "PATCH", path, 200, {"tour": TOUR_ROW}, headers=console,
        json={"tourId": tour, "tourTime": "12:00", "status": "confirmed"},
    )  # fmt: skip
    assert moved["tour"]["status"] == "confirmed"
    cancelled = await send(site, "DELETE", path, 200, {"success": FLAG}, headers=console,
                           params={"tourId": tour})  # fmt: skip
    assert cancelled["success"] is True
    await send(site, "PATCH", path, 409, PROBLEM, headers=console,
               json={"tourId": tour, "status": "completed"})  # fmt: skip


async def test_scores_engagements_and_insights_of_the_console(site: Site) -> None:
    lead, console = await site.create_lead(source="Google"), site.console_headers()
    await site.project()
    recorded = await send(
        site, "POST", "/api/leadpulse/events", 200,
        {"success": FLAG, "rescored": FLAG,
         "event": {"id": ID, "leadId": ID, "eventType": STRING, "scoreWeight": NUMBER,
                   "createdAt": INSTANT}},
        headers=console, json={"leadId": str(lead), "eventType": "email_clicked"},
    )  # fmt: skip
    assert recorded["event"]["scoreWeight"] == 15
    await send(site, "POST", "/api/leadpulse/events", 400, PROBLEM, headers=console,
               json={"leadId": str(lead), "eventType": "danced"})  # fmt: skip
    await send(site, "POST", "/api/leadpulse/events", 404, PROBLEM, headers=console,
               json={"leadId": str(uuid4()), "eventType": "email_clicked"})  # fmt: skip
    event = {"id": ID, "eventType": STRING, "metadata": ANY, "scoreWeight": NUMBER,
             "createdAt": INSTANT}  # fmt: skip
    await send(site, "GET", "/api/leadpulse/events", 200, {"events": [event]}, headers=console,
               params={"leadId": str(lead)})  # fmt: skip
    score = await send(site, "GET", "/api/leadpulse/score", 200, {"score": SCORE, "isNew": FLAG},
                       headers=console, params={"leadId": str(lead)})  # fmt: skip
    assert (
        sum(int(factor["impact"]) for factor in score["score"]["factors"])
        == (score["score"]["totalScore"])
    )
    await send(site, "POST", "/api/leadpulse/score", 200, {"success": FLAG, "score": SCORE},
               headers=console, json={"leadId": str(lead)})  # fmt: skip
    counts = {"success": FLAG, "processed": NUMBER, "successful": NUMBER, "failed": NUMBER}
    for body in ({"leadIds": [str(lead)]}, {"propertyId": str(site.property_id)}):
        await send(site, "POST", "/api/leadpulse/score", 200, counts, headers=console, json=body)
    bucket = {"bucket": STRING, "count": NUMBER, "percentage": NUMBER, "avgScore": NUMBER}
    factor = {"factor": STRING, "count": NUMBER}
    insights = await send(
        site, "GET", "/api/leadpulse/insights", 200,
        {
            "insights": {
                "totalLeads": NUMBER, "scoredLeads": NUMBER, "avgScore": NUMBER,
                "distribution": [bucket],
                "topFactors": {"positive": [factor], "negative": [factor]},
                "recentTrend": [{"date": STRING, "avgScore": NUMBER, "hotLeads": NUMBER}],
            }
        },
        headers=console, params={"propertyId": str(site.property_id)},
    )  # fmt: skip
    assert [entry["bucket"] for entry in insights["insights"]["distribution"]] == [
        "hot", "warm", "cold", "unqualified",
    ]  # fmt: skip
    assert insights["insights"]["totalLeads"] == 1


async def test_conversations_and_a_takeover_in_the_console(site: Site) -> None:
    first = await site.send_chat("hello", leadInfo={"firstName": "Ada", "email": "ada@example.com"})
    await site.project()
    console, property_id = site.console_headers(), str(site.property_id)
    conversation = first["conversationId"]
    row_fields = {
        "id": ID, "channel": STRING, "created_at": INSTANT, "is_human_mode": FLAG,
        "human_agent_id": "id?", "lead": ANY, "messageCount": NUMBER,
        "lastMessage": {"content": STRING, "role": STRING, "created_at": INSTANT},
    }  # fmt: skip
    listed = await send(site, "GET", "/api/conversations", 200, {"conversations": [row_fields]},
                        headers=console, params={"propertyId": property_id})  # fmt: skip
    assert [row["id"] for row in listed["conversations"]] == [conversation]
    takeover = f"/api/conversations/{conversation}/takeover"
    takeover_fields = {"success": FLAG, "conversation": ANY, "message": ANY}
    await send(site, "POST", takeover, 200, takeover_fields, headers=console, json={})
    second = await site.send_chat(
        "are you there?", sessionId=first["sessionId"], conversationId=conversation
    )
    assert (second["content"], second["isHumanMode"], second["waitingForHuman"]) == (
        None,
        True,
        True,
    )
    await send(
        site,
        "POST",
        f"/api/conversations/{conversation}/messages",
        201,
        {},
        headers=console,
        json={"content": "Yes, this is Sam."},
    )
    transcript = await send(
        site,
        "GET",
        CHAT,
        200,
        {"messages": [ANY]},
        headers=site.widget_headers(),
        params={"sessionId": first["sessionId"]},
    )
    assert "Yes, this is Sam." in [message["content"] for message in transcript["messages"]]
    await send(site, "DELETE", takeover, 200, takeover_fields, headers=console)
    complete = await send(
        site,
        "GET",
        "/api/conversations",
        200,
        {"conversation": ANY},
        headers=console,
        params={"propertyId": property_id, "conversationId": conversation},
    )
    assert complete["conversation"]["messages"][0]["content"] == "hello"


async def test_the_administration_of_the_widget(site: Site) -> None:
    admin = site.console_headers(await create_profile(site.world, "admin"))
    property_query = {"propertyId": str(site.property_id)}
    config = await send(site, "GET", f"{WIDGET_ADMIN}/config", 200, {"config": ANY}, headers=admin,
                        params=property_query)  # fmt: skip
    assert "api_key" not in config["config"]
    await send(site, "PUT", f"{WIDGET_ADMIN}/config", 200, {"success": FLAG}, headers=admin,
               json={**property_query, "config": {"widget_name": "Mona"}})  # fmt: skip
    await send(site, "PUT", f"{WIDGET_ADMIN}/config", 404, PROBLEM, headers=admin,
               json={"propertyId": str(uuid4()), "config": {"widget_name": "Mona"}})  # fmt: skip
    await send(site, "PUT", f"{WIDGET_ADMIN}/config", 403, PROBLEM, headers=site.console_headers(),
               json={**property_query, "config": {"widget_name": "Mona"}})  # fmt: skip
    key = await send(site, "POST", f"{WIDGET_ADMIN}/regenerate-key", 200,
                     {"apiKey": STRING, "previousValidUntil": "instant?"}, headers=admin,
                     json=property_query)  # fmt: skip
    for widget_key in (site.key, key["apiKey"]):
        shown = await send(site, "GET", WIDGET_CONFIG, 200, {"config": ANY},
                           headers={"X-API-Key": widget_key})  # fmt: skip
        assert shown["config"]["widgetName"] == "Mona"
    row = {"id": ID, "lead_name": "text?", "lead_email": "text?", "message_count": NUMBER,
           "is_human_mode": FLAG, "created_at": INSTANT, "last_message": "text?"}  # fmt: skip
    await site.send_chat("hello")
    await site.project()
    await send(site, "GET", f"{WIDGET_ADMIN}/conversations", 200, {"conversations": [row]},
               headers=admin, params=property_query)  # fmt: skip
    stats = {"totalSessions": NUMBER, "totalConversations": NUMBER, "leadsCapture": NUMBER,
             "toursBooked": NUMBER, "avgResponseTime": "number?",
             "conversionRate": NUMBER}  # fmt: skip
    await send(
        site, "GET", f"{WIDGET_ADMIN}/stats", 200, stats, headers=admin, params=property_query
    )


async def test_the_workflow_and_messages_of_a_lead(site: Site) -> None:
    lead, console = await site.create_lead(firstName="Ada"), site.console_headers()
    await site.project()
    shown = await send(site, "GET", f"/api/leads/{lead}/workflow", 200,
                       {"workflow": ANY, "runs": [ANY]}, headers=console)  # fmt: skip
    assert shown == {"workflow": None, "runs": []}
    await send(
        site, "POST", f"/api/leads/{lead}/send-message", 200,
        {"success": FLAG, "messageId": ID, "channel": STRING, "status": STRING},
        headers=console, json={"channel": "email", "message": "See you soon"},
    )  # fmt: skip
    await send(site, "POST", f"/api/leads/{lead}/send-message", 400, PROBLEM, headers=console,
               json={"channel": "sms", "message": "See you soon"})  # fmt: skip
    await send(site, "POST", f"/api/leads/{lead}/send-message", 404, PROBLEM, headers=console,
               json={"channel": "email", "templateSlug": "no-such"})  # fmt: skip
