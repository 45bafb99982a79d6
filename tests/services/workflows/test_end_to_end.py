"""A visitor of a web site becomes a lead, and a workflow plans a message: all processes."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from services.local_stack.stack import Stack
from services.runtime.database import pooled
from tests.conftest import until
from tests.services.api.site import (
    ORIGIN,
    WIDGET_ADMIN,
    WIDGET_LEAD,
    create_profile,
    make_bearer_token,
)
from tests.services.api.workflow_requests import DEFINITIONS, TEMPLATES
from tests.stored_events import read_stored_events
from tests.world import World, make_world

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "CRM_JWT_SECRET", "CRM_HTTP_PORT"):
        monkeypatch.delenv(name, raising=False)


class ConsoleUser:
    """An admin who sees at once what the last request wrote."""

    def __init__(self, client: httpx2.AsyncClient, token: str) -> None:
        self._client, self._headers = client, {"Authorization": f"Bearer {token}"}

    async def send(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._see(await self._client.request(method, path, json=body, headers=self._headers))

    async def read(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        """Read after all that this user wrote: the token makes the API wait for the tables."""
        return self._see(await self._client.get(path, params=query, headers=self._headers))

    def _see(self, response: httpx2.Response) -> dict[str, Any]:
        assert response.is_success, response.text
        if token := response.headers.get("X-CRM-Token"):
            self._headers["X-CRM-Token"] = token
        answer: dict[str, Any] = response.json()
        return answer


async def test_a_lead_of_the_widget_gets_the_first_message_of_an_active_workflow(
    home: Path,
) -> None:
    with Stack(home, durable=False) as stack:
        secret = stack.settings.jwt_secret
        assert secret is not None
        async with (
            pooled(stack.settings, "test", role=None) as pool,
            httpx2.AsyncClient(base_url=stack.api_url, timeout=30) as client,
        ):
            world = await make_world(pool)
            admin = await create_profile(world, "admin")
            bearer = make_bearer_token(admin, secret=secret.get_secret_value())
            key = await _configure(ConsoleUser(client, bearer), world)
            response = await client.post(
                WIDGET_LEAD,
                json={"firstName": "Ada", "email": "ada@example.com", "phone": "+12125550100"},
                headers={"X-API-Key": key, "X-Visitor-ID": "v_1", "Origin": ORIGIN},
            )
            assert response.status_code == 200, response.text
            await until(lambda: _has_planned(world))
            planned, *_ = await read_stored_events(pool, "event_type = 'delivery.planned'")
            assert planned["payload"]["body"] == "Hi Ada!"
            await until(lambda: _shows_the_step(world))


async def _configure(user: ConsoleUser, world: World) -> str:
    """Create a widget key and an active workflow over HTTP; return the key."""
    at = {"propertyId": str(world.properties[0])}
    config = {"isActive": True, "allowedOrigins": [ORIGIN]}
    await user.send("PUT", f"{WIDGET_ADMIN}/config", {**at, "config": config})
    key: str = (await user.send("POST", f"{WIDGET_ADMIN}/regenerate-key", at))["apiKey"]
    template = {"slug": "hello", "name": "Hello", "channel": "sms", "body": "Hi {{first_name}}!"}
    await user.send("POST", TEMPLATES, {**at, **template})
    step = {"id": "hello", "delayHours": 0, "action": "sms", "templateSlug": "hello"}
    definition = {"name": "Greeting", "triggerOn": "lead_created", "steps": [step]}
    created = (await user.send("POST", DEFINITIONS, {**at, **definition}))["definition"]
    await user.send("POST", f"{DEFINITIONS}/{created['id']}/activate", {})
    # A widget sends no token, so its key must be in the tables before it is used.
    await user.read(f"{WIDGET_ADMIN}/config", at)
    return key


async def _has_planned(world: World) -> bool:
    return await world.count("crm_events WHERE event_type = 'delivery.planned'") == 1


async def _shows_the_step(world: World) -> bool:
    """Return whether the tables show the run and the step that was done."""
    return await world.count("lead_workflows") == 1 == await world.count("workflow_actions")
