"""Every operation answers every kind of caller as the OpenAPI document says."""

import pytest

from tests.services.api.example_requests import create_examples, credentials, in_order, send_example
from tests.services.api.openapi_check import Operation, operations
from tests.services.api.site import Site, make_bearer_token

ROLES = ("viewer", "manager", "admin")


@pytest.mark.parametrize("role", ROLES)
async def test_a_console_user_may_do_what_the_document_says_of_the_role(
    site: Site, role: str
) -> None:
    """The role's requests succeed if the document names it, and are refused with 403 if not."""
    profile_id = getattr(site, role)
    ids = await create_examples(site, agent=None if role == "viewer" else profile_id)
    refused = set()
    async for operation in in_order(site, _console_operations()):
        for name, body in operation.example_bodies.items():
            headers = site.console_headers(profile_id)
            response = await send_example(site, operation, body, ids, headers)
            if role in operation.roles:
                assert response.status_code == operation.success_status, (
                    operation.name, name, response.text,
                )  # fmt: skip
            else:
                refused.add(operation.name)
                assert response.status_code == 403, (operation.name, name, response.text)
                assert response.json()["code"] == "forbidden"
                # The next operations need what this one would have made.
                await send_example(site, operation, body, ids, credentials(site, operation))
    assert bool(refused) is (role != "admin")


async def test_nobody_and_a_visitor_are_refused_by_every_console_operation(site: Site) -> None:
    ids = await create_examples(site)
    await site.project()
    service_role = make_bearer_token(site.admin, claims={"role": "service_role"})
    callers = {
        "nobody": {},
        "visitor": site.widget_headers(),
        "visitor with the key as bearer": {"Authorization": f"Bearer {site.key}"},
        "service role": {"Authorization": f"Bearer {service_role}"},
    }
    for operation in _console_operations():
        body = next(iter(operation.example_bodies.values()))
        for caller, headers in callers.items():
            response = await send_example(site, operation, body, ids, headers)
            assert response.status_code == 401, (operation.name, caller, response.text)
            assert response.json()["code"] == "unauthenticated"


async def test_nobody_and_a_console_user_are_refused_by_every_widget_operation(site: Site) -> None:
    ids = await create_examples(site)
    await site.project()
    callers: dict[str, dict[str, str]] = {"nobody": {}} | {
        role: site.console_headers(getattr(site, role)) for role in ROLES
    }
    for operation in operations():
        if operation.roles:
            continue
        body = next(iter(operation.example_bodies.values()))
        for caller, headers in callers.items():
            response = await send_example(site, operation, body, ids, headers)
            assert response.status_code in (401, 404), (operation.name, caller, response.text)
            assert str(response.status_code) in operation.description["responses"]
            assert response.json()["code"] in ("no_key", "bad_key", "not_found")


def _console_operations() -> list[Operation]:
    """Return the operations of the console, those that delete last."""
    console = [operation for operation in operations() if operation.roles]
    return sorted(console, key=lambda operation: operation.method == "DELETE")
