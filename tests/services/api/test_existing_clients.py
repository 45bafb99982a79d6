"""The requests of the clients there are, and the fields they read in the answers: a contract."""

from uuid import uuid4

import pytest

from tests.services.api.clients import (
    ANY,
    FLAG,
    ID,
    INSTANT,
    LEAD_ROW,
    NUMBER,
    SCORE,
    STRING,
    TOUR_LEAD,
    TOUR_ROW,
    TURN,
    Json,
    ask,
    demand,
)
from tests.services.api.conftest import NEXT_MONTH, Site, employ

PROBLEM = {"error": STRING, "code": STRING, "status": NUMBER, "title": STRING, "detail": STRING}


@pytest.fixture
def site(site_anywhere: Site) -> Site:
    return site_anywhere


async def test_the_widget_from_the_first_word_to_the_tour(site: Site) -> None:
    widget = site.widget()
    config = {
        "config": {
            "widgetName": "text?", "primaryColor": "text?", "secondaryColor": "text?",
            "logoUrl": "text?", "welcomeMessage": "text?", "offlineMessage": "text?",
            "autoPopupDelay": NUMBER, "requireEmailBeforeChat": FLAG, "collectName": FLAG,
            "collectEmail": FLAG, "collectPhone": FLAG, "leadCapturePrompt": "text?",
            "toursEnabled": FLAG, "propertyName": STRING,
        },
        "isOnline": FLAG, "businessHours": ANY, "timezone": STRING,
    }  # fmt: skip
    await ask(site, "GET", "/api/lumaleasing/config", 200, config, headers=widget)
    first = await ask(
        site, "POST", "/api/lumaleasing/chat", 200, TURN, headers=widget,
        json={"messages": [{"role": "user", "content": "Hello, can I book a tour?"}]},
    )  # fmt: skip
    assert first["wantsTour"] is True
    assert first["shouldPromptLeadCapture"] is False
    again = await ask(
        site, "POST", "/api/lumaleasing/chat", 200, TURN, headers=widget,
        json={
            "sessionId": first["sessionId"], "conversationId": first["conversationId"],
            "messages": [
                {"role": "user", "content": "Hello, can I book a tour?"},
                {"role": "assistant", "content": first["content"]},
                {"role": "user", "content": "What does it cost?"},
            ],
        },
    )  # fmt: skip
    assert again["conversationId"] == first["conversationId"]
    left = await ask(
        site, "POST", "/api/lumaleasing/lead", 200,
        {"success": FLAG, "leadId": ID, "message": STRING}, headers=widget,
        json={
            "sessionId": first["sessionId"],
            "leadInfo": {"firstName": "Ada", "lastName": "L", "email": "Ada@Example.com"},
        },
    )  # fmt: skip
    slots = await ask(
        site, "GET", "/api/lumaleasing/tours", 200, {"slots": ANY, "tourDuration": NUMBER},
        headers=widget, params={"startDate": str(NEXT_MONTH), "endDate": str(NEXT_MONTH)},
    )  # fmt: skip
    for day, places in slots["slots"].items():
        demand(places, [{"id": STRING, "date": STRING, "startTime": STRING, "endTime": STRING,
                         "available": ANY}], day)  # fmt: skip
    booked = await ask(
        site, "POST", "/api/lumaleasing/tours", 201,
        {
            "success": FLAG,
            "booking": {"id": ID, "date": STRING, "time": STRING, "status": STRING},
            "message": STRING,
            "calendar": {"google": STRING, "outlook": STRING, "ics": STRING},
        },
        headers=widget,
        json={
            "tourDate": str(NEXT_MONTH), "tourTime": "14:00", "sessionId": first["sessionId"],
            "leadInfo": {"first_name": "Ada", "email": "ada@example.com"},
            "specialRequests": "a quiet flat",
        },
    )  # fmt: skip
    assert booked["booking"]["date"] == str(NEXT_MONTH)
    tours = await ask(
        site, "GET", f"/api/leads/{left['leadId']}/tours", 200,
        {"tours": [TOUR_ROW], "lead": TOUR_LEAD}, headers=site.console(),
    )  # fmt: skip
    assert [one["id"] for one in tours["tours"]] == [booked["booking"]["id"]]
    assert tours["lead"]["email"] == "ada@example.com"


async def test_what_the_widget_is_refused(site: Site) -> None:
    chat, lead, tours = (f"/api/lumaleasing/{name}" for name in ("chat", "lead", "tours"))
    said = {"messages": [{"role": "user", "content": "hi"}]}
    await ask(site, "POST", chat, 401, PROBLEM, headers={"X-Visitor-ID": "v_1"}, json=said)
    await ask(site, "POST", chat, 401, PROBLEM, headers={"X-API-Key": "no key"}, json=said)
    empty = {"messages": [{"role": "user", "content": " "}]}
    await ask(site, "POST", chat, 400, PROBLEM, headers=site.widget(), json=empty)
    named = {"sessionId": str(uuid4()), "firstName": "Ada"}
    await ask(site, "POST", lead, 400, PROBLEM, headers=site.widget(), json=named)
    nobody = {"tourDate": str(NEXT_MONTH), "tourTime": "14:00", "leadInfo": {"firstName": "Ada"}}
    await ask(site, "POST", tours, 400, PROBLEM, headers=site.widget(), json=nobody)
    nowhen = {"leadInfo": {"email": "ada@example.com"}}
    await ask(site, "POST", tours, 400, PROBLEM, headers=site.widget(), json=nowhen)
    past = {"tourDate": "2025-01-06", "tourTime": "14:00", "leadInfo": {"email": "a@example.com"}}
    await ask(site, "POST", tours, 400, PROBLEM, headers=site.widget(), json=past)


async def test_the_consoles_leads(site: Site) -> None:
    console, host_property = site.console(), str(site.property_id)
    made = await ask(
        site, "POST", "/api/leads", 201, {"lead": LEAD_ROW}, headers=console,
        json={"propertyId": host_property, "firstName": "Ada", "lastName": "L",
              "email": "ada@example.com", "phone": "+1 415 555 2671", "moveInDate": "2027-05-01",
              "bedrooms": "2", "notes": "quiet"},
    )  # fmt: skip
    assert made["lead"]["source"] == "manual"
    lead = made["lead"]["id"]
    await ask(
        site, "POST", "/api/leads", 409, {**PROBLEM, "lead": LEAD_ROW}, headers=console,
        json={"propertyId": host_property, "email": "ADA@example.com"},
    )  # fmt: skip
    listed = await ask(
        site, "GET", "/api/leads", 200,
        {
            "leads": [LEAD_ROW],
            "pagination": {"page": NUMBER, "limit": NUMBER, "total": NUMBER, "totalPages": NUMBER},
            "filters": {"sources": [STRING], "statuses": [STRING]},
            "statusSummary": ANY,
        },
        headers=console,
        params={"propertyId": host_property, "search": "ada", "sortBy": "score", "sortOrder": "desc"},
    )  # fmt: skip
    assert [one["id"] for one in listed["leads"]] == [lead]
    assert listed["pagination"] == {"page": 1, "limit": 25, "total": 1, "totalPages": 1}
    assert listed["statusSummary"]["new"] == 1
    changed = await ask(
        site, "PATCH", "/api/leads", 200, {"lead": LEAD_ROW}, headers=console,
        json={"leadId": lead, "status": "contacted", "notes": "called"},
    )  # fmt: skip
    assert (changed["lead"]["status"], changed["lead"]["notes"]) == ("contacted", "called")
    activity = {"id": ID, "type": STRING, "description": "text?", "metadata": ANY,
                "created_by": "id?", "created_at": INSTANT}  # fmt: skip
    await ask(
        site, "POST", f"/api/leads/{lead}/activities", 201, {}, headers=console,
        json={"type": "note", "description": "likes the pool"},
    )  # fmt: skip
    found = await ask(
        site, "GET", f"/api/leads/{lead}/activities", 200, {"activities": [activity]},
        headers=console,
    )  # fmt: skip
    assert "likes the pool" in [one["description"] for one in found["activities"]]
    viewer = site.console(site.viewer)
    await ask(
        site, "GET", "/api/leads", 200, {}, headers=viewer, params={"propertyId": host_property}
    )
    await ask(site, "PATCH", "/api/leads", 403, PROBLEM, headers=viewer, json={"leadId": lead})
    await ask(site, "GET", "/api/leads", 400, PROBLEM, headers=console)


async def test_the_consoles_tours(site: Site) -> None:
    lead, console = await site.lead(), site.console()
    path = f"/api/leads/{lead}/tours"
    made = await ask(
        site, "POST", path, 201, {"tour": TOUR_ROW, "lead": TOUR_LEAD}, headers=console,
        json={"tourDate": str(NEXT_MONTH), "tourTime": "11:00", "notes": "with a dog"},
    )  # fmt: skip
    assert made["tour"]["tour_type"] == "in_person"
    tour = made["tour"]["id"]
    moved = await ask(
        site, "PATCH", path, 200, {"tour": TOUR_ROW}, headers=console,
        json={"tourId": tour, "tourTime": "12:00", "status": "confirmed"},
    )  # fmt: skip
    assert moved["tour"]["status"] == "confirmed"
    gone = await ask(site, "DELETE", path, 200, {"success": FLAG}, headers=console,
                     params={"tourId": tour})  # fmt: skip
    assert gone["success"] is True
    await ask(site, "PATCH", path, 409, PROBLEM, headers=console,
              json={"tourId": tour, "status": "completed"})  # fmt: skip


async def test_leadpulse(site: Site) -> None:
    lead, console = await site.lead(source="Google"), site.console()
    await site.project()
    noted = await ask(
        site, "POST", "/api/leadpulse/events", 200,
        {"success": FLAG, "rescored": FLAG,
         "event": {"id": ID, "leadId": ID, "eventType": STRING, "scoreWeight": NUMBER,
                   "createdAt": INSTANT}},
        headers=console, json={"leadId": str(lead), "eventType": "email_clicked"},
    )  # fmt: skip
    assert noted["event"]["scoreWeight"] == 15
    await ask(site, "POST", "/api/leadpulse/events", 400, PROBLEM, headers=console,
              json={"leadId": str(lead), "eventType": "danced"})  # fmt: skip
    await ask(site, "POST", "/api/leadpulse/events", 404, PROBLEM, headers=console,
              json={"leadId": str(uuid4()), "eventType": "email_clicked"})  # fmt: skip
    event = {"id": ID, "eventType": STRING, "metadata": ANY, "scoreWeight": NUMBER,
             "createdAt": INSTANT}  # fmt: skip
    await ask(site, "GET", "/api/leadpulse/events", 200, {"events": [event]}, headers=console,
              params={"leadId": str(lead)})  # fmt: skip
    score = await ask(site, "GET", "/api/leadpulse/score", 200, {"score": SCORE, "isNew": FLAG},
                      headers=console, params={"leadId": str(lead)})  # fmt: skip
    assert (
        sum(int(one["impact"]) for one in score["score"]["factors"])
        == (score["score"]["totalScore"])
    )
    await ask(site, "POST", "/api/leadpulse/score", 200, {"success": FLAG, "score": SCORE},
              headers=console, json={"leadId": str(lead)})  # fmt: skip
    many = {"success": FLAG, "processed": NUMBER, "successful": NUMBER, "failed": NUMBER}
    for asked in ({"leadIds": [str(lead)]}, {"propertyId": str(site.property_id)}):
        await ask(site, "POST", "/api/leadpulse/score", 200, many, headers=console, json=asked)
    bucket = {"bucket": STRING, "count": NUMBER, "percentage": NUMBER, "avgScore": NUMBER}
    factor = {"factor": STRING, "count": NUMBER}
    found = await ask(
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
    assert [one["bucket"] for one in found["insights"]["distribution"]] == [
        "hot", "warm", "cold", "unqualified",
    ]  # fmt: skip
    assert found["insights"]["totalLeads"] == 1


async def test_conversations_and_a_takeover(site: Site) -> None:
    said = await site.chat("hello", leadInfo={"firstName": "Ada", "email": "ada@example.com"})
    await site.project()
    console, host_property = site.console(), str(site.property_id)
    talk = said["conversationId"]
    listed = {
        "id": ID, "channel": STRING, "created_at": INSTANT, "is_human_mode": FLAG,
        "human_agent_id": "id?", "lead": ANY, "messageCount": NUMBER,
        "lastMessage": {"content": STRING, "role": STRING, "created_at": INSTANT},
    }  # fmt: skip
    found = await ask(site, "GET", "/api/conversations", 200, {"conversations": [listed]},
                      headers=console, params={"propertyId": host_property})  # fmt: skip
    assert [one["id"] for one in found["conversations"]] == [talk]
    takeover = f"/api/conversations/{talk}/takeover"
    done = {"success": FLAG, "conversation": ANY, "message": ANY}
    await ask(site, "POST", takeover, 200, done, headers=console, json={})
    turn = await site.chat("are you there?", sessionId=said["sessionId"], conversationId=talk)
    assert (turn["content"], turn["isHumanMode"], turn["waitingForHuman"]) == (None, True, True)
    await ask(site, "POST", f"/api/conversations/{talk}/messages", 201, {}, headers=console,
              json={"content": "Yes, this is Sam."})  # fmt: skip
    heard = await ask(site, "GET", "/api/lumaleasing/chat", 200, {"messages": [ANY]},
                      headers=site.widget(), params={"sessionId": said["sessionId"]})  # fmt: skip
    assert "Yes, this is Sam." in [one["content"] for one in heard["messages"]]
    await ask(site, "DELETE", takeover, 200, done, headers=console)
    whole = await ask(site, "GET", "/api/conversations", 200, {"conversation": ANY},
                      headers=console, params={"propertyId": host_property, "conversationId": talk},
                      )  # fmt: skip
    assert whole["conversation"]["messages"][0]["content"] == "hello"


async def test_the_admins_of_the_widget(site: Site) -> None:
    admin = site.console(await employ(site.world, "admin"))
    place, host_property = "/api/lumaleasing/admin", {"propertyId": str(site.property_id)}
    config = await ask(site, "GET", f"{place}/config", 200, {"config": ANY}, headers=admin,
                       params=host_property)  # fmt: skip
    assert "api_key" not in config["config"]
    await ask(site, "PUT", f"{place}/config", 200, {"success": FLAG}, headers=admin,
              json={**host_property, "config": {"widget_name": "Mona"}})  # fmt: skip
    await ask(site, "PUT", f"{place}/config", 404, PROBLEM, headers=admin,
              json={"propertyId": str(uuid4()), "config": {"widget_name": "Mona"}})  # fmt: skip
    await ask(site, "PUT", f"{place}/config", 403, PROBLEM, headers=site.console(),
              json={**host_property, "config": {"widget_name": "Mona"}})  # fmt: skip
    key = await ask(site, "POST", f"{place}/regenerate-key", 200,
                    {"apiKey": STRING, "previousValidUntil": "instant?"}, headers=admin,
                    json=host_property)  # fmt: skip
    for one in (site.key, key["apiKey"]):
        shown = await ask(site, "GET", "/api/lumaleasing/config", 200, {"config": ANY},
                          headers={"X-API-Key": one})  # fmt: skip
        assert shown["config"]["widgetName"] == "Mona"
    row = {"id": ID, "lead_name": "text?", "lead_email": "text?", "message_count": NUMBER,
           "is_human_mode": FLAG, "created_at": INSTANT, "last_message": "text?"}  # fmt: skip
    await site.chat("hello")
    await site.project()
    await ask(site, "GET", f"{place}/conversations", 200, {"conversations": [row]},
              headers=admin, params=host_property)  # fmt: skip
    stats = {"totalSessions": NUMBER, "totalConversations": NUMBER, "leadsCapture": NUMBER,
             "toursBooked": NUMBER, "avgResponseTime": "number?",
             "conversionRate": NUMBER}  # fmt: skip
    await ask(site, "GET", f"{place}/stats", 200, stats, headers=admin, params=host_property)


async def test_workflows_and_messages_of_a_lead(site: Site) -> None:
    lead, console = await site.lead(firstName="Ada"), site.console()
    await site.project()
    shown = await ask(site, "GET", f"/api/leads/{lead}/workflow", 200,
                      {"workflow": ANY, "runs": [ANY]}, headers=console)  # fmt: skip
    assert shown == {"workflow": None, "runs": []}
    await ask(
        site, "POST", f"/api/leads/{lead}/send-message", 200,
        {"success": FLAG, "messageId": ID, "channel": STRING, "status": STRING},
        headers=console, json={"channel": "email", "message": "See you soon"},
    )  # fmt: skip
    await ask(site, "POST", f"/api/leads/{lead}/send-message", 400, PROBLEM, headers=console,
              json={"channel": "sms", "message": "See you soon"})  # fmt: skip
    await ask(site, "POST", f"/api/leads/{lead}/send-message", 404, PROBLEM, headers=console,
              json={"channel": "email", "templateSlug": "no-such"})  # fmt: skip


@pytest.mark.parametrize("spelling", [
    {"first_name": "Ada", "last_name": "L", "email": "ada@example.com"},
    {"firstName": "Ada", "lastName": "L", "email": "ada@example.com"},
])  # fmt: skip
async def test_older_clients_do_no_harm(site: Site, spelling: Json) -> None:
    """The whole transcript each time, no idempotency key, and the same again after a time-out."""
    transcript: list[Json] = []
    where: Json = {}
    said: Json = {}
    for text in ("hello", "I would like to see a flat", "here is my address"):
        transcript.append({"role": "user", "content": text})
        more = {"leadInfo": spelling} if len(transcript) > 4 else {}
        for _ in range(2):
            answer = await site.client.post(
                "/api/lumaleasing/chat", json={"messages": transcript, **where, **more},
                headers=site.widget(),
            )  # fmt: skip
            assert answer.status_code == 200
            said = answer.json()
        where = {"sessionId": said["sessionId"], "conversationId": said["conversationId"]}
        transcript.append({"role": "assistant", "content": said["content"]})
    await site.project()
    assert await site.world.count("leads") == 1
    assert await site.world.count("widget_sessions") <= 2
    for _ in range(2):
        answer = await site.client.post(
            "/api/lumaleasing/tours", headers=site.widget(),
            json={"tourDate": str(NEXT_MONTH), "tourTime": "14:00", "leadInfo": spelling, **where},
        )  # fmt: skip
        assert answer.status_code == 201, answer.text
    await site.project()
    assert await site.world.count("tours") == 1
    assert await site.world.count("leads") == 1
