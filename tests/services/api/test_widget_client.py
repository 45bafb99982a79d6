"""The contract with existing widgets: their requests and the response fields that they read."""

from uuid import uuid4

import pytest

from tests.services.api.client_contract import (
    ANY,
    CHAT_TURN,
    FLAG,
    ID,
    NUMBER,
    PROBLEM,
    STRING,
    TOUR_LEAD,
    TOUR_ROW,
    Json,
    check_fields,
    send,
)
from tests.services.api.site import (
    CHAT,
    NEXT_MONTH,
    WIDGET_CONFIG,
    WIDGET_LEAD,
    WIDGET_TOURS,
    Site,
)


@pytest.fixture
def site(site_anywhere: Site) -> Site:
    return site_anywhere


async def test_the_widget_from_the_first_message_to_the_tour(site: Site) -> None:
    widget = site.widget_headers()
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
    await send(site, "GET", WIDGET_CONFIG, 200, config, headers=widget)
    first = await send(
        site, "POST", CHAT, 200, CHAT_TURN, headers=widget,
        json={"messages": [{"role": "user", "content": "Hello, can I book a tour?"}]},
    )  # fmt: skip
    assert first["wantsTour"] is True
    assert first["shouldPromptLeadCapture"] is False
    second = await send(
        site, "POST", CHAT, 200, CHAT_TURN, headers=widget,
        json={
            "sessionId": first["sessionId"], "conversationId": first["conversationId"],
            "messages": [
                {"role": "user", "content": "Hello, can I book a tour?"},
                {"role": "assistant", "content": first["content"]},
                {"role": "user", "content": "What does it cost?"},
            ],
        },
    )  # fmt: skip
    assert second["conversationId"] == first["conversationId"]
    await send(
        site, "POST", WIDGET_LEAD, 200,
        {"success": FLAG, "leadId": ID, "message": STRING}, headers=widget,
        json={
            "sessionId": first["sessionId"],
            "leadInfo": {"firstName": "Ada", "lastName": "L", "email": "Ada@Example.com"},
        },
    )  # fmt: skip
    slots = await send(
        site, "GET", WIDGET_TOURS, 200, {"slots": ANY, "tourDuration": NUMBER},
        headers=widget, params={"startDate": str(NEXT_MONTH), "endDate": str(NEXT_MONTH)},
    )  # fmt: skip
    for day, places in slots["slots"].items():
        check_fields(places, [{"id": STRING, "date": STRING, "startTime": STRING, "endTime": STRING,
                               "available": ANY}], day)  # fmt: skip
    booked = await send(
        site, "POST", WIDGET_TOURS, 201,
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
    tours = await send(
        site, "GET", f"/api/leads/{await site.find_lead('ada@example.com')}/tours", 200,
        {"tours": [TOUR_ROW], "lead": TOUR_LEAD}, headers=site.console_headers(),
    )  # fmt: skip
    assert [tour["id"] for tour in tours["tours"]] == [booked["booking"]["id"]]
    assert tours["lead"]["email"] == "Ada@Example.com"


async def test_invalid_requests_of_the_widget_are_refused(site: Site) -> None:
    transcript = {"messages": [{"role": "user", "content": "hi"}]}
    await send(site, "POST", CHAT, 401, PROBLEM, headers={"X-Visitor-ID": "v_1"}, json=transcript)
    await send(site, "POST", CHAT, 401, PROBLEM, headers={"X-API-Key": "no key"}, json=transcript)
    empty = {"messages": [{"role": "user", "content": " "}]}
    await send(site, "POST", CHAT, 400, PROBLEM, headers=site.widget_headers(), json=empty)
    without_contact = {"sessionId": str(uuid4()), "firstName": "Ada"}
    await send(
        site, "POST", WIDGET_LEAD, 400, PROBLEM, headers=site.widget_headers(), json=without_contact
    )
    without_email = {
        "tourDate": str(NEXT_MONTH),
        "tourTime": "14:00",
        "leadInfo": {"firstName": "Ada"},
    }
    await send(
        site, "POST", WIDGET_TOURS, 400, PROBLEM, headers=site.widget_headers(), json=without_email
    )
    without_time = {"leadInfo": {"email": "ada@example.com"}}
    await send(
        site, "POST", WIDGET_TOURS, 400, PROBLEM, headers=site.widget_headers(), json=without_time
    )
    past = {"tourDate": "2025-01-06", "tourTime": "14:00", "leadInfo": {"email": "a@example.com"}}
    await send(site, "POST", WIDGET_TOURS, 400, PROBLEM, headers=site.widget_headers(), json=past)


@pytest.mark.parametrize("lead_info", [
    {"first_name": "Ada", "last_name": "L", "email": "ada@example.com"},
    {"firstName": "Ada", "lastName": "L", "email": "ada@example.com"},
])  # fmt: skip
async def test_an_older_client_creates_one_lead_session_and_tour(
    site: Site, lead_info: Json
) -> None:
    """Older clients send the whole transcript without a key, and repeat it after a time-out."""
    transcript: list[Json] = []
    ids: Json = {}
    turn: Json = {}
    for text in ("hello", "I would like to see a flat", "here is my address"):
        transcript.append({"role": "user", "content": text})
        more = {"leadInfo": lead_info} if len(transcript) > 4 else {}
        for _ in range(2):
            response = await site.client.post(
                CHAT, json={"messages": transcript, **ids, **more},
                headers=site.widget_headers(),
            )  # fmt: skip
            assert response.status_code == 200
            turn = response.json()
        ids = {"sessionId": turn["sessionId"], "conversationId": turn["conversationId"]}
        transcript.append({"role": "assistant", "content": turn["content"]})
    await site.project()
    assert await site.world.count("leads") == 1
    assert await site.world.count("widget_sessions") == 1
    for _ in range(2):
        response = await site.client.post(
            WIDGET_TOURS, headers=site.widget_headers(),
            json={"tourDate": str(NEXT_MONTH), "tourTime": "14:00", "leadInfo": lead_info, **ids},
        )  # fmt: skip
        assert response.status_code == 201, response.text
    await site.project()
    assert await site.world.count("tours") == 1
    assert await site.world.count("leads") == 1
