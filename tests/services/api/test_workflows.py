"""Workflow definitions over HTTP: creation, versions, permissions."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.services.api.site import Site, create_profile
from tests.services.api.unusual_input import UNUSUAL_VALUES, check_handled
from tests.services.api.workflow_requests import (
    DEFINITIONS,
    SEED,
    STEPS,
    TEMPLATES,
    create_definition,
    create_template,
    definition_body,
    list_rows,
    post,
    template_body,
)
from tests.world import make_world


async def test_a_new_definition_is_inactive_and_listed_as_in_its_response(site: Site) -> None:
    created = await create_definition(site, description="Says hello.")
    assert (created["is_active"], created["version"], created["exit_conditions"]) == (
        False, 1, ["leased", "lost"],
    )  # fmt: skip
    assert created["steps"] == [
        {"id": "hello", "delay_hours": 0.25, "action": "sms", "template_slug": "hello"},
        {"id": "rest", "delay_hours": 24.0, "action": "wait", "template_slug": None},
    ]
    assert await list_rows(site) == [created]


async def test_a_change_of_the_expected_version_creates_a_new_version(site: Site) -> None:
    created = await create_definition(site)
    url = f"{DEFINITIONS}/{created['id']}"

    async def patch(body: Any) -> httpx2.Response:
        return await site.client.patch(url, json=body, headers=site.console_headers())

    changed = await patch({"name": "Other", "version": 1})
    assert changed.json()["definition"] | {"updated_at": ""} == created | {
        "name": "Other", "version": 2, "updated_at": "",
    }  # fmt: skip
    stale = await patch({"steps": STEPS[:1], "version": 1})
    assert (stale.status_code, stale.json()["code"], stale.json()["version"]) == (
        409, "stale_version", 2,
    )  # fmt: skip
    assert (await patch({"name": "Other", "version": 2})).json()["definition"]["version"] == 2
    parallel = await asyncio.gather(*(patch({"name": f"N{n}", "version": 2}) for n in range(4)))
    assert sorted(response.status_code for response in parallel) == [200, 409, 409, 409]
    assert [row["version"] for row in await list_rows(site)] == [3]
    for path in ("activate", "deactivate"):
        response = await post(site, f"{url}/{path}", {"version": 2})
        assert (response.status_code, response.json()["code"]) == (409, "stale_version")


async def test_requests_with_one_key_create_one_definition(site: Site) -> None:
    body = definition_body(site)
    headers = site.console_headers(more={"Idempotency-Key": "write"})
    responses = await asyncio.gather(
        *(post(site, DEFINITIONS, body, headers=headers) for _ in range(4))
    )
    assert {response.status_code for response in responses} == {201}
    assert len({response.text for response in responses}) == 1
    other = await post(site, DEFINITIONS, {**body, "name": "x"}, headers=headers)
    assert other.json()["code"] == "idempotency_key_reused"
    assert len(await list_rows(site)) == 1


INVALID_DEFINITIONS: tuple[tuple[dict[str, Any], str], ...] = (
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


@pytest.mark.parametrize(("more", "code"), INVALID_DEFINITIONS, ids=str)
async def test_an_invalid_definition_is_refused(
    site: Site, more: dict[str, Any], code: str
) -> None:
    response = await post(site, DEFINITIONS, definition_body(site, **more))
    assert (response.status_code, response.json()["code"]) == (400, code)
    assert await site.read_event_types() == []


async def test_viewers_only_read_and_other_organisations_find_nothing(site: Site) -> None:
    definition, message_template = await create_definition(site), await create_template(site)
    other_admin = await create_profile(await make_world(site.world.pool), "admin")
    await site.project()
    writes = [
        ("POST", DEFINITIONS, definition_body(site)),
        ("PATCH", f"{DEFINITIONS}/{definition['id']}", {"name": "x"}),
        ("POST", f"{DEFINITIONS}/{definition['id']}/activate", {}),
        ("POST", f"{DEFINITIONS}/{definition['id']}/deactivate", {}),
        ("POST", SEED, {"propertyId": str(site.property_id)}),
        ("POST", TEMPLATES, template_body(site, "x")),
        ("PATCH", f"{TEMPLATES}/{message_template['id']}", {"name": "x"}),
        ("DELETE", f"{TEMPLATES}/{message_template['id']}", None),
    ]
    before = await site.read_event_types()
    for method, path, body in writes:
        for profile_id, status in ((site.viewer, 403), (other_admin, 404), (uuid4(), 401)):
            response = await site.client.request(
                method, path, json=body, headers=site.console_headers(profile_id)
            )
            assert response.status_code == status, (method, path, status)
    for path in (DEFINITIONS, TEMPLATES):
        for property_id in (site.property_id, uuid4()):
            response = await site.client.get(
                path,
                params={"propertyId": str(property_id)},
                headers=site.console_headers(other_admin),
            )
            assert response.status_code == 404
            assert response.json()["error"] == "property not found: check its id"
        assert (await site.client.get(path, headers=site.console_headers())).status_code == 400
    assert await site.read_event_types() == before
    for profile_id in (await create_profile(site.world, "admin"), site.manager):
        response = await site.client.post(
            f"{DEFINITIONS}/{definition['id']}/activate",
            json={},
            headers=site.console_headers(profile_id),
        )
        assert response.status_code == 200


async def test_every_field_of_a_change_handles_unusual_values(site: Site) -> None:
    definition, message_template = (
        (await create_definition(site))["id"],
        (await create_template(site))["id"],
    )
    fields = {
        ("PATCH", f"{DEFINITIONS}/{definition}"): (
            "version", "name", "description", "triggerOn", "steps", "exitConditions",
            "changeReason",
        ),
        ("POST", f"{DEFINITIONS}/{definition}/activate"): ("version", "reason"),
        ("POST", f"{DEFINITIONS}/{definition}/deactivate"): ("version", "reason"),
        ("PATCH", f"{TEMPLATES}/{message_template}"): (
            "version", "name", "subject", "body", "isActive", "changeReason",
        ),
    }  # fmt: skip
    for (method, path), names in fields.items():
        for name in names:
            for value in UNUSUAL_VALUES:
                bodies = [{name: value}]
                if name == "steps":
                    bodies += [{name: [STEPS[0] | {key: value}]} for key in STEPS[0]]
                for body in bodies:
                    response = await site.client.request(
                        method, path, json=body, headers=site.console_headers()
                    )
                    check_handled(response, (method, path, body))
    await site.project()


async def test_the_rules_of_a_workflow_and_the_options_of_its_steps_are_stored(site: Site) -> None:
    steps = [
        {"id": "b", "delayHours": 0, "action": "branch",
         "options": {"conditions": [{"field": "score", "operator": "at_least", "value": 45}],
                     "then": "e"}},
        {"id": "e", "delayHours": 0, "action": "end"},
    ]  # fmt: skip
    rules = {"exitEvents": ["opt_out"], "reentry": "after_end", "minIntervalHours": 2.5,
             "maxAgeHours": 48}  # fmt: skip
    created = await create_definition(site, steps=steps, **rules)
    assert [created[name] for name in ("exit_events", "reentry", "min_interval_hours")] == [
        ["opt_out"], "after_end", 2.5
    ]  # fmt: skip
    assert created["steps"][0]["options"] == steps[0]["options"]
    assert "options" not in created["steps"][1]
    change: dict[str, Any] = {"reentry": None, "exitEvents": [], "maxAgeHours": 1}
    response = await site.client.patch(
        f"{DEFINITIONS}/{created['id']}", json=change, headers=site.console_headers()
    )
    changed = response.json()["definition"]
    names = ("exit_events", "reentry", "min_interval_hours", "max_age_hours", "version")
    assert [changed[name] for name in names] == [[], None, 2.5, 1.0, 2]
    assert await list_rows(site) == [changed]


async def test_wrong_options_are_refused_with_their_place(site: Site) -> None:
    steps = [{"id": "w", "delayHours": 0, "action": "wait_until", "options": {"at": "9"}}]
    response = await post(site, DEFINITIONS, definition_body(site, steps=steps))
    assert (response.status_code, response.json()["code"]) == (400, "invalid_definition")
    assert "step 'w': options.at" in response.json()["error"]
