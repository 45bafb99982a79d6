"""What people write down about a lead, through real HTTP."""

from typing import Any
from uuid import uuid4

import pytest

from tests.services.api.conftest import Site, employ
from tests.world import make_world

CALL: dict[str, Any] = {
    "type": "call_made", "description": "Left a message.", "metadata": {"seconds": 40},
}  # fmt: skip


async def test_what_an_agent_writes_down_is_answered_as_its_row(site: Site) -> None:
    lead = await site.lead()
    path = f"/api/leads/{lead}/activities"
    answer = await site.client.post(path, json=CALL, headers=site.console())
    assert answer.status_code == 201
    written = answer.json()["activity"]
    assert {**written, **CALL} == written
    assert written["created_by"] == str(site.manager)
    await site.project()
    seen = (await site.client.get(path, headers=site.console(site.viewer))).json()["activities"]
    assert seen[0] == written


@pytest.mark.parametrize("kind", ["note", "email_sent", "sms_sent", "message_received"])
async def test_what_a_person_does_may_be_written_down(site: Site, kind: str) -> None:
    lead = await site.lead()
    body = {"type": kind, "description": "It was done."}
    answer = await site.client.post(
        f"/api/leads/{lead}/activities", json=body, headers=site.console()
    )
    assert (answer.status_code, answer.json()["activity"]["metadata"]) == (201, {})


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("tour_completed", "derived_activity_type"), ("lead_created", "derived_activity_type"),
        ("score_bucket_changed", "derived_activity_type"), ("sneezed", "unknown_activity_type"),
        ("", "unknown_activity_type"), ("a\x00", "unknown_activity_type"),
    ],
)  # fmt: skip
async def test_what_follows_from_other_events_or_is_unknown_is_400(
    site: Site, kind: str, code: str
) -> None:
    lead = await site.lead()
    answer = await site.client.post(
        f"/api/leads/{lead}/activities", json={**CALL, "type": kind}, headers=site.console()
    )
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert "activity.recorded" not in await site.log()


async def test_words_that_are_missing_or_cannot_be_kept_are_400(site: Site) -> None:
    lead = await site.lead()
    for change in (
        {"description": None}, {"description": " "}, {"description": "a\x00b"},
        {"description": "x" * 2_001}, {"metadata": [1]}, {"metadata": {"a": "\x00"}},
        {"metadata": {str(n): n for n in range(201)}}, {"type": None}, {"type": 1},
    ):  # fmt: skip
        answer = await site.client.post(
            f"/api/leads/{lead}/activities", json={**CALL, **change}, headers=site.console()
        )
        assert answer.status_code == 400, change


async def test_only_those_who_may_write_do_and_only_of_their_leads(site: Site) -> None:
    lead = await site.lead()
    path = f"/api/leads/{lead}/activities"
    assert (await site.client.post(path, json=CALL)).status_code == 401
    headers = site.console(site.viewer)
    assert (await site.client.post(path, json=CALL, headers=headers)).status_code == 403
    stranger = await employ(await make_world(site.world.pool), "admin")
    for who, where in ((stranger, lead), (site.manager, uuid4())):
        answer = await site.client.post(
            f"/api/leads/{where}/activities", json=CALL, headers=site.console(who)
        )
        assert answer.status_code == 404


async def test_the_same_request_again_is_written_down_once(site: Site) -> None:
    lead = await site.lead()
    headers = site.console(more={"Idempotency-Key": "call-1"})
    first, second = [
        await site.client.post(f"/api/leads/{lead}/activities", json=CALL, headers=headers)
        for _ in range(2)
    ]
    assert first.content == second.content
    assert (await site.log()).count("activity.recorded") == 1
