"""The page of a lead, that of its score and that of its messages."""

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from events.consents import ConsentChannel, ConsentWithdrawn, consent_id
from events.deliveries import DeliveryHeld, DeliverySkipped
from services.api.console.days import describe_day, describe_moment
from services.api.console.lead_answers import describe_reasons, find_bucket_start
from services.api.console.score_curve import draw_curve
from services.api.console.timeline_words import describe_timeline
from tests.services.api.console.visits import Shown, Visit
from tests.services.api.test_lead_deliveries import append_delivery

MARKUP = "<script>alert(1)</script><b title='x'>"
ZONE = ZoneInfo("America/New_York")
NOW = datetime(2026, 12, 1, 15, 0, tzinfo=ZONE)


async def open_lead(visit: Visit, lead: UUID, page: str = "", **query: str) -> Shown:
    await visit.site.project()
    address = f"/console/leads/{lead}{page}"
    shown = Shown(await visit.client.get(address, params=query))
    assert shown.status == 200, shown.text
    return shown


async def read_api(visit: Visit, path: str, **query: str) -> Any:
    response = await visit.site.client.get(
        path, params=query, headers=visit.site.console_headers(visit.site.viewer)
    )
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_lead_s_page_begins_with_how_it_is_and_what_is_next(viewer: Visit) -> None:
    lead = await viewer.site.create_lead(firstName="Ada", lastName="Lovelace", source="Referral")
    shown = await open_lead(viewer, lead)
    assert shown.answer.startswith("Ada Lovelace is cold with 44 points since today: ")
    assert "came by Referral +15" in shown.answer
    assert shown.answer.endswith("Nothing is planned.")
    assert "No messages yet" in shown.text
    [called] = shown.tree.xpath("//dt[text() = 'Last contact by us']/following-sibling::dd[1]")
    assert called.text_content().startswith("never")
    assert shown.tree.xpath("//dt[text() = 'Came']")
    await viewer.site.book_tour(lead)
    assert "Next: tour " in (await open_lead(viewer, lead)).answer


async def test_the_factors_on_the_page_sum_to_the_score_of_the_api(viewer: Visit) -> None:
    lead = await viewer.site.create_lead(firstName="Ada", phone="+12125550123")
    shown = await open_lead(viewer, lead)
    cells = [
        cell.text_content()
        for cell in shown.tree.xpath("//tr[starts-with(@id, 'factor-')]/td[@class='number']")
    ]
    score = (await read_api(viewer, "/api/leadpulse/score", leadId=str(lead)))["score"]
    assert [int(cell) for cell in cells[:-1]] == [int(f["impact"]) for f in score["factors"]]
    assert sum(map(int, cells[:-1])) == int(cells[-1]) == score["totalScore"]


async def test_the_curve_and_the_table_have_every_change_of_the_score(viewer: Visit) -> None:
    lead = await viewer.site.create_lead(firstName="Ada")
    await viewer.site.book_tour(lead)
    shown = await open_lead(viewer, lead, "/score")
    changes = (await read_api(viewer, f"/api/leads/{lead}/scores"))["scores"]
    rows = shown.tree.xpath("//tr[starts-with(@id, 'score-')]")
    ids = [row.get("id") for row in rows if not row.xpath("ancestor::details")]
    assert ids == [f"score-{change['id']}" for change in changes if change["change"]]
    assert len(rows) == len(changes)
    times = len(ids) - 1
    assert f"and has changed {times} time{'s' * (times > 1)}, the last time " in shown.answer
    assert len(shown.tree.xpath("//*[local-name() = 'circle']")) == len(changes) > 1
    assert "a booked tour" in rows[0].text_content()
    assert "first contact" in rows[-1].text_content()


async def test_a_planned_message_shows_its_time_its_rule_and_what_holds_it(viewer: Visit) -> None:
    lead = await viewer.site.create_lead()
    until = viewer.site.world.now + timedelta(days=20_000)
    held: Any = [(DeliveryHeld, {"reason": "quiet_hours", "held_until": until})]
    delivery = await append_delivery(viewer.site, lead, held)
    shown = await open_lead(viewer, lead)
    [row] = shown.tree.xpath(f"//li[@id='planned-{delivery}']")
    text = " ".join(row.text_content().split())
    assert text.startswith("e-mail held until ")
    assert "messages are not sent at this hour where the person is" in text
    assert "written by a person: Hello" in text


async def test_a_message_that_was_not_sent_has_its_reason_in_words(viewer: Visit) -> None:
    lead = await viewer.site.create_lead()
    skipped: Any = [(DeliverySkipped, {"reason": "no_consent", "values": {"channel": "email"}})]
    delivery = await append_delivery(viewer.site, lead, skipped)
    shown = await open_lead(viewer, lead)
    [row] = shown.tree.xpath(f"//li[@id='message-{delivery}']")
    reason = "the person does not want messages on this channel"
    assert f"not sent: {reason}" in row.text_content()
    detail = await open_lead(viewer, lead, "/messages")
    assert detail.answer.startswith("1 of 1 messages to ")
    [section] = detail.tree.xpath(f"//section[@id='message-{delivery}']")
    assert reason in section.text_content()
    assert "channel: email" in section.text_content()


async def test_a_booking_is_one_entry_of_the_timeline_in_words(viewer: Visit) -> None:
    lead = await viewer.site.create_lead()
    tour = await viewer.site.book_tour(lead)
    shown = await open_lead(viewer, lead)
    assert shown.tree.xpath(f"//li[@id='tour-{tour['id']}']")
    assert "tour scheduled in person" not in shown.text
    assert "status changed from new to tour booked" in shown.text
    assert "in_person" not in shown.text
    alone = await open_lead(viewer, lead, kind="activity")
    assert re.search(r"tour (scheduled|booked) in person, \w{3} \d+ \w{3} \d{4}, 14:00", alone.text)


def test_a_message_and_a_score_are_not_repeated_in_the_timeline() -> None:
    score: dict[str, Any] = {"kind": "score", "total_score": 44}
    sent: dict[str, Any] = {
        "kind": "activity", "id": "a", "type": "sms_sent", "description": "SMS sent",
        "metadata": {"delivery_id": "d"}, "created_by": "u",
    }  # fmt: skip
    delivery: dict[str, Any] = {"kind": "delivery", "id": "d"}
    items = [delivery, sent, {**score, "id": "2"}, {**score, "id": "1"}]
    shown = describe_timeline(items)
    assert [item["id"] for item in shown] == ["d", "1"]
    assert shown[0]["created_by"] == "u"
    [alone] = describe_timeline([sent])
    assert (alone["name"], alone["text"]) == ("SMS sent", "")


async def test_the_timeline_is_filtered_and_continued(viewer: Visit) -> None:
    lead = await viewer.site.create_lead()
    for number in range(55):
        response = await viewer.site.client.post(
            f"/api/leads/{lead}/activities", json={"type": "note", "description": f"n{number}"},
            headers=viewer.site.console_headers(),
        )  # fmt: skip
        assert response.status_code == 201
    shown = await open_lead(viewer, lead, kind="activity")
    ids = [row.get("id") for row in shown.tree.xpath("//li[starts-with(@id, 'activity-')]")]
    assert len(ids) == 50
    [older] = [link for link in shown.links() if "cursor=" in link]
    rest = await viewer.open(older)
    more = [row.get("id") for row in rest.tree.xpath("//li[starts-with(@id, 'activity-')]")]
    assert more
    assert not set(ids) & set(more)
    assert not rest.tree.xpath("//li[starts-with(@id, 'score-')]")


async def test_consents_and_merged_leads_are_shown(viewer: Visit) -> None:
    site = viewer.site
    lead, loser = await site.create_lead(), await site.create_lead(email="old@example.com")
    withdrawn = ConsentWithdrawn(
        consent_id=consent_id(lead, ConsentChannel.SMS), lead_id=lead, text="STOP",
        channel=ConsentChannel.SMS, place="sms_reply", at=site.world.now, keyword="STOP",
    )  # fmt: skip
    await site.world.append(site.world.new(withdrawn))
    merged = await site.client.post(
        f"/api/leads/{loser}/merge", json={"intoLeadId": str(lead)},
        headers=site.console_headers(),
    )  # fmt: skip
    assert merged.status_code == 200
    shown = await open_lead(viewer, loser)
    [consent] = shown.tree.xpath("//li[@id='consent-sms']")
    assert "SMS withdrawn" in consent.text_content()
    assert "old@example.com" in shown.text
    triggers = shown.tree.xpath("//div[@id='lead']/@hx-trigger")[0]
    assert {f"sse:lead-{lead}", f"sse:lead-{loser}"} <= set(triggers.replace(",", "").split())


async def test_texts_of_people_are_shown_as_text(viewer: Visit) -> None:
    site = viewer.site
    lead = await site.create_lead(firstName=MARKUP, source=MARKUP, notes=MARKUP)
    for path, body in (
        ("activities", {"type": "note", "description": MARKUP}),
        ("tasks", {"title": MARKUP, "notes": MARKUP}),
        ("send-message", {"channel": "email", "message": MARKUP, "subject": MARKUP}),
    ):
        response = await site.client.post(
            f"/api/leads/{lead}/{path}", json=body, headers=site.console_headers()
        )
        assert response.status_code in (200, 201), response.text
    await site.book_tour(lead, notes=MARKUP)
    for page in ("", "/score", "/messages"):
        shown = await open_lead(viewer, lead, page)
        assert shown.tree.xpath("//script[not(@src)]") == []
        assert shown.tree.xpath("//b") == []
        assert "<script>" in shown.text


async def test_a_viewer_sees_no_action(viewer: Visit) -> None:
    lead = await viewer.site.create_lead()
    await append_delivery(viewer.site, lead, [])
    for page in ("", "/messages"):
        assert (await open_lead(viewer, lead, page)).tree.xpath("//a[@data-dialog]") == []


async def test_a_part_that_fails_does_not_take_the_page_with_it(viewer: Visit) -> None:
    lead = await viewer.site.create_lead(firstName="Ada")
    shown = await open_lead(viewer, lead, cursor="malformed")
    assert "This part could not be read: cursor 'malformed' is malformed" in shown.text
    assert shown.answer.startswith("Ada is ")


@pytest.mark.parametrize("page", ["", "/score", "/messages"])
async def test_an_unknown_lead_is_not_found(viewer: Visit, page: str) -> None:
    for name in (str(uuid4()), "x"):
        assert (await viewer.open(f"/console/leads/{name}{page}")).status == 404


def change(score: int, bucket: str, hours_ago: int) -> dict[str, Any]:
    at = (NOW - timedelta(hours=hours_ago)).isoformat()
    return {
        "id": str(hours_ago), "totalScore": score, "scoreBucket": bucket, "scoredAt": at,
        "change": 0, "events": [],
    }  # fmt: skip


def test_a_bucket_began_with_the_first_of_its_last_changes() -> None:
    history = [change(80, "hot", 1), change(75, "hot", 30), change(50, "warm", 40)]
    assert find_bucket_start(history, "hot", is_complete=False) == NOW - timedelta(hours=30)
    assert find_bucket_start(history[:2], "hot", is_complete=False) is None
    assert find_bucket_start(history[:2], "hot", is_complete=True) == NOW - timedelta(hours=30)
    assert find_bucket_start(history, "cold", is_complete=True) is None


def test_the_strongest_factors_are_the_reasons() -> None:
    factors = [
        {"factor": "Email provided", "impact": "+8"}, {"factor": "Limit", "impact": "-30"},
        {"factor": "High engagement (7 events)", "impact": "+40"},
        {"factor": "Tour no-show", "impact": "-20"}, {"factor": "Timing", "impact": "+15"},
    ]  # fmt: skip
    assert list(describe_reasons(factors)) == [
        "engagement +40", "a tour without coming -20", "recent contact +15",
    ]  # fmt: skip


def test_a_curve_goes_from_the_first_change_until_now() -> None:
    curve = draw_curve([change(80, "hot", 1), change(0, "unqualified", 2)], NOW, ZONE)
    assert curve is not None
    assert curve.points == "32.0,136.0 332.0,136.0 332.0,33.6 632,33.6"
    assert [mark.text.split(": ")[1] for mark in curve.marks] == [
        "0 (+0), time passed", "80 (+0), time passed",
    ]  # fmt: skip
    assert draw_curve([], NOW, ZONE) is None


@pytest.mark.parametrize(
    ("days", "words"),
    [(0, "today"), (1, "tomorrow"), (-1, "yesterday"), (2, "Thursday"), (-4, "Friday"),
     (8, "9 December"), (40, "10 January 2027")],
)  # fmt: skip
def test_a_day_is_named_as_people_name_it(days: int, words: str) -> None:
    at = NOW + timedelta(days=days)
    assert describe_day(at, NOW, ZONE) == words
    assert describe_moment(at, NOW, ZONE) == f"{words} 15:00"


async def test_tours_are_linked_and_their_missing_messages_have_reasons(viewer: Visit) -> None:
    lead = await viewer.site.create_lead()
    tour = await viewer.site.book_tour(lead, sendConfirmation=False)
    shown = await open_lead(viewer, lead)
    assert f"/console/tours/{tour['id']}" in shown.links()
    missing = (await read_api(viewer, f"/api/leads/{lead}/deliveries"))["notPlanned"]
    assert missing
    for row in missing:
        assert f"Not planned: {row['explanation']}" in shown.text
    assert "There was no message to this lead." not in shown.text
    page = await viewer.open(f"/console/tours/{tour['id']}")
    assert f"/console/leads/{lead}/messages" in page.links()


async def test_the_page_of_an_erased_person_has_no_actions_plans_or_scores(manager: Visit) -> None:
    site = manager.site
    lead = await site.create_lead(firstName="Ada", phone="+12125550123")
    await site.book_tour(lead)
    await site.project()
    response = await site.client.post(
        f"/api/privacy/leads/{lead}/erasure",
        json={"reason": "request 7"},
        headers=site.console_headers(site.admin),
    )
    assert response.status_code == 202, response.text
    shown = await open_lead(manager, lead)
    assert shown.answer.startswith("This person was erased on ")
    assert "points" not in shown.text
    assert not {link for link in shown.links() if link.startswith(f"/console/leads/{lead}/")}
    found = await read_api(manager, f"/api/leads/{lead}")
    assert found["erasedAt"] is not None
    assert (found["lead"]["score"], found["lead"]["score_bucket"]) == (None, None)
