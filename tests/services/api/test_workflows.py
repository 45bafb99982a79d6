"""Workflow definitions through real HTTP: versions, switching, seeding, and who may."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.services.api.conftest import Site, employ
from tests.services.api.flows import (
    DEFINITIONS,
    SEED,
    STEPS,
    TEMPLATES,
    listed,
    post,
    template,
    written,
)
from tests.services.api.test_bad_input import NASTY, check
from tests.world import make_world


async def test_a_workflow_is_written_inactive_and_listed_as_it_was_answered(site: Site) -> None:
    made = await written(site, description="Says hello.")
    assert (made["is_active"], made["version"], made["exit_conditions"]) == (
        False, 1, ["leased", "lost"],
    )  # fmt: skip
    assert made["steps"] == [
        {"id": "hello", "delay_hours": 0.25, "action": "sms", "template_slug": "hello"},
        {"id": "rest", "delay_hours": 24.0, "action": "wait", "template_slug": None},
    ]
    assert await listed(site) == [made]


async def test_two_workflows_of_one_trigger_are_both_kept_and_both_activated(site: Site) -> None:
    await template(site)
    for name in ("First", "Second"):
        made = await written(site, name=name)
        answer = await post(site, f"{DEFINITIONS}/{made['id']}/activate", {})
        assert answer.status_code == 200, answer.text
    rows = await listed(site)
    assert [(row["name"], row["trigger_on"], row["is_active"]) for row in rows] == [
        ("First", "lead_created", True), ("Second", "lead_created", True),
    ]  # fmt: skip


async def test_a_switch_needs_no_body(site: Site) -> None:
    await template(site)
    url = f"{DEFINITIONS}/{(await written(site))['id']}"
    for path, on in (("activate", True), ("deactivate", False)):
        answer = await site.client.post(f"{url}/{path}", headers=site.console())
        assert answer.status_code == 200, answer.text
        assert answer.json()["definition"]["is_active"] is on
    refused = await site.client.post(DEFINITIONS, headers=site.console())
    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type")


async def test_a_change_is_a_new_version_of_what_was_seen(site: Site) -> None:
    made = await written(site)
    url = f"{DEFINITIONS}/{made['id']}"

    async def patch(body: Any) -> httpx2.Response:
        return await site.client.patch(url, json=body, headers=site.console())

    changed = await patch({"name": "Other", "version": 1})
    assert changed.json()["definition"] | {"updated_at": ""} == made | {
        "name": "Other", "version": 2, "updated_at": "",
    }  # fmt: skip
    stale = await patch({"steps": STEPS[:1], "version": 1})
    assert (stale.status_code, stale.json()["code"], stale.json()["version"]) == (
        409, "stale_version", 2,
    )  # fmt: skip
    assert (await patch({"name": "Other", "version": 2})).json()["definition"]["version"] == 2
    both = await asyncio.gather(*(patch({"name": f"N{n}", "version": 2}) for n in range(4)))
    assert sorted(answer.status_code for answer in both) == [200, 409, 409, 409]
    assert [row["version"] for row in await listed(site)] == [3]
    for path in ("activate", "deactivate"):
        answer = await post(site, f"{url}/{path}", {"version": 2})
        assert (answer.status_code, answer.json()["code"]) == (409, "stale_version")


async def test_what_has_no_text_to_send_is_not_activated(site: Site) -> None:
    made = await written(site)
    url = f"{DEFINITIONS}/{made['id']}/activate"
    mail = await template(site, "hello", channel="email", subject="Hi")
    answer = await post(site, url, {})
    assert (answer.status_code, answer.json()["code"]) == (409, "template_not_ready")
    assert "hello" in answer.json()["error"]
    await template(site, "hi", isActive=False)
    steps = [STEPS[0] | {"templateSlug": "hi"}]
    await site.client.patch(
        f"{DEFINITIONS}/{made['id']}", json={"steps": steps}, headers=site.console()
    )
    assert (await post(site, url, {})).status_code == 409
    (row,) = [row for row in await listed(site, TEMPLATES) if row["slug"] == "hi"]
    reviewed = await site.client.patch(
        f"{TEMPLATES}/{row['id']}", json={"isActive": True}, headers=site.console()
    )
    assert reviewed.json()["template"]["is_active"]
    assert (await post(site, url, {})).json()["definition"]["is_active"]
    back = await site.client.patch(
        f"{DEFINITIONS}/{made['id']}", json={"steps": STEPS}, headers=site.console()
    )
    assert back.json()["code"] == "template_not_ready", mail
    off = await post(site, f"{DEFINITIONS}/{made['id']}/deactivate", {"reason": "summer"})
    assert not off.json()["definition"]["is_active"]


async def test_defaults_are_seeded_once_inactive_and_never_over_what_a_person_wrote(
    site: Site,
) -> None:
    own = await template(site, "new-lead-welcome", body="Ours")
    body = {"propertyId": str(site.property_id)}
    first, second = await asyncio.gather(*(post(site, SEED, body) for _ in range(2)))
    counts = sorted(
        (answer.json()["definitionsCreated"], answer.json()["templatesCreated"])
        for answer in (first, second)
    )
    assert counts == [(0, 0), (3, 12)]
    flows, texts = await listed(site), await listed(site, TEMPLATES)
    assert {row["name"] for row in flows} == {
        "New Lead Nurture", "Tour No-Show Recovery", "Post-Tour Follow-Up",
    }  # fmt: skip
    assert not any(row["is_active"] for row in flows)
    assert all(row["seeded"] for row in flows)
    assert [row["slug"] for row in texts if row["is_active"]] == ["new-lead-welcome"]
    assert own in texts
    changed = await site.client.patch(
        f"{DEFINITIONS}/{flows[0]['id']}", json={"name": "Ours"}, headers=site.console()
    )
    assert changed.json()["definition"]["seeded"] is False
    before = await site.log()
    again = (await post(site, SEED, body)).json()
    assert (again["definitionsCreated"], again["templatesCreated"]) == (0, 0)
    assert await site.log() == before
    assert "Ours" in {row["name"] for row in await listed(site)}


async def test_a_key_writes_once(site: Site) -> None:
    said = {"propertyId": str(site.property_id), "name": "Greeting", "triggerOn": "lead_created",
            "steps": STEPS}  # fmt: skip
    headers = site.console(more={"Idempotency-Key": "write"})
    answers = await asyncio.gather(
        *(post(site, DEFINITIONS, said, headers=headers) for _ in range(4))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    other = await post(site, DEFINITIONS, {**said, "name": "x"}, headers=headers)
    assert other.json()["code"] == "idempotency_key_reused"
    assert len(await listed(site)) == 1


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"triggerOn": "moonrise"}, "invalid"),
    ({"steps": []}, "invalid"),
    ({"steps": [STEPS[0], STEPS[0]]}, "invalid_definition"),
    ({"steps": [STEPS[0] | {"delayHours": -1}]}, "invalid"),
    ({"steps": [STEPS[0] | {"delayHours": 1e300}]}, "invalid"),
    ({"steps": [STEPS[0] | {"delayHours": "1"}]}, "invalid"),
    ({"steps": [STEPS[0] | {"action": "call"}]}, "invalid"),
    ({"steps": [STEPS[0] | {"templateSlug": " "}]}, "invalid_definition"),
    ({"steps": [STEPS[1] | {"templateSlug": "hello"}]}, "invalid_definition"),
    ({"steps": [STEPS[0] | {"id": "\x00"}]}, "invalid"),
    ({"exitConditions": ["gone"]}, "invalid"),
    ({"exitConditions": ["lost", "lost"]}, "invalid_definition"),
    ({"name": ""}, "invalid"),
    ({"name": "  "}, "invalid_definition"),
    ({"name": "x" * 400}, "invalid"),
)


@pytest.mark.parametrize(("more", "code"), WRONG, ids=str)
async def test_what_makes_no_workflow_is_refused(
    site: Site, more: dict[str, Any], code: str
) -> None:
    body = {"propertyId": str(site.property_id), "name": "Greeting", "triggerOn": "lead_created",
            "steps": STEPS, **more}  # fmt: skip
    answer = await post(site, DEFINITIONS, body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert await site.log() == []


async def test_viewers_read_and_strangers_find_nothing(site: Site) -> None:
    made, text = await written(site), await template(site)
    stranger = await employ(await make_world(site.world.pool), "admin")
    host_property = {"propertyId": str(site.property_id)}
    good = {**host_property, "name": "x", "triggerOn": "lead_created", "steps": STEPS}
    await site.project()
    writes = [
        ("POST", DEFINITIONS, good), ("PATCH", f"{DEFINITIONS}/{made['id']}", {"name": "x"}),
        ("POST", f"{DEFINITIONS}/{made['id']}/activate", {}),
        ("POST", f"{DEFINITIONS}/{made['id']}/deactivate", {}), ("POST", SEED, host_property),
        ("POST", TEMPLATES, {**host_property, "slug": "x", "name": "x", "channel": "sms", "body": "x"}),
        ("PATCH", f"{TEMPLATES}/{text['id']}", {"name": "x"}),
        ("DELETE", f"{TEMPLATES}/{text['id']}", None),
    ]  # fmt: skip
    before = await site.log()
    for method, path, body in writes:
        for who, status in ((site.viewer, 403), (stranger, 404), (uuid4(), 401)):
            answer = await site.client.request(method, path, json=body, headers=site.console(who))
            assert answer.status_code == status, (method, path, status)
    for path in (DEFINITIONS, TEMPLATES):
        for asked in (site.property_id, uuid4()):
            answer = await site.client.get(
                path, params={"propertyId": str(asked)}, headers=site.console(stranger)
            )
            assert answer.status_code == 404
            assert answer.json()["error"] == "property not found"
        assert (await site.client.get(path, headers=site.console())).status_code == 400
    assert await site.log() == before
    for person in (await employ(site.world, "admin"), site.manager):
        answer = await site.client.post(
            f"{DEFINITIONS}/{made['id']}/activate", json={}, headers=site.console(person)
        )
        assert answer.status_code == 200


async def test_every_field_of_a_change_takes_every_nasty_value(site: Site) -> None:
    flow, text = (await written(site))["id"], (await template(site))["id"]
    fields = {
        ("PATCH", f"{DEFINITIONS}/{flow}"): (
            "version", "name", "description", "triggerOn", "steps", "exitConditions",
            "changeReason",
        ),
        ("POST", f"{DEFINITIONS}/{flow}/activate"): ("version", "reason"),
        ("POST", f"{DEFINITIONS}/{flow}/deactivate"): ("version", "reason"),
        ("PATCH", f"{TEMPLATES}/{text}"): (
            "version", "name", "subject", "body", "isActive", "changeReason",
        ),
    }  # fmt: skip
    for (method, path), names in fields.items():
        for name in names:
            for value in NASTY:
                bodies = [{name: value}]
                if name == "steps":
                    bodies += [{name: [STEPS[0] | {key: value}]} for key in STEPS[0]]
                for body in bodies:
                    answer = await site.client.request(
                        method, path, json=body, headers=site.console()
                    )
                    check(answer, (method, path, body))
    await site.project()
