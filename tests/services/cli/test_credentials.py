"""`crm property`, `crm key`, `crm token`: from nothing to a request that is let in."""

import asyncio
import json
from pathlib import Path

import httpx2
import pytest

from services.api.app import create_app
from services.api.auth.bearer import Bearers, Unproven
from services.cli.main import run
from services.runtime.settings import Settings
from tests.conftest import JWT_SECRET
from tests.world import World


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", settings.dsn)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setenv("CRM_JWT_SECRET", JWT_SECRET)
    monkeypatch.setenv("CRM_HOME", str(tmp_path))


async def crm(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    code = await asyncio.to_thread(run, arguments)
    return code, capsys.readouterr().out


@pytest.mark.usefixtures("environment")
async def test_a_property_a_key_and_a_token_let_requests_in(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out = await crm(
        capsys, "property", "create", "--name", "Maple", "--timezone", "America/New_York", "--json"
    )
    made = json.loads(out)
    host_property = made["property_id"]
    _, listed = await crm(capsys, "property", "list", "--json")
    assert json.loads(listed)[0]["name"] == "Maple"
    _, out = await crm(
        capsys, "key", "issue", host_property, "--origin", "https://maple.example", "--json"
    )
    key = json.loads(out)
    _, out = await crm(capsys, "key", "list", host_property, "--json")
    assert [one["key_id"] for one in json.loads(out)] == [key["key_id"]]
    assert key["key"] not in out
    code, bearer = await crm(capsys, "token", "--property", host_property)
    assert code == 0

    app = create_app(settings)
    async with app.router.lifespan_context(app):
        world = World(app.state.core.pool, made["org_id"], [host_property])
        await world.project()
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://crm") as client:
            headers = {"X-API-Key": key["key"], "Origin": "https://maple.example"}
            chat = await client.post(
                "/api/lumaleasing/chat", json={"message": "hello"}, headers=headers
            )
            assert chat.status_code == 200, chat.text
            assert "Maple" in chat.json()["content"]
            lead = await client.post(
                "/api/leads", json={"propertyId": host_property, "email": "a@b.co"},
                headers={"Authorization": f"Bearer {bearer.strip()}"},
            )  # fmt: skip
            assert lead.status_code == 201, lead.text
            code, _ = await crm(capsys, "key", "revoke", host_property, key["key_id"])
            assert code == 0
            await world.project()
            chat = await client.post(
                "/api/lumaleasing/chat", json={"message": "hello"}, headers=headers
            )
            assert chat.status_code == 401


@pytest.mark.usefixtures("environment")
async def test_a_token_is_for_the_audience_and_by_the_issuer_of_the_settings(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out = await crm(capsys, "property", "create", "--name", "M", "--timezone", "UTC", "--json")
    host_property = json.loads(out)["property_id"]
    monkeypatch.setenv("CRM_JWT_AUDIENCE", "crm")
    monkeypatch.setenv("CRM_JWT_ISSUER", "https://issuer.example")
    _, out = await crm(capsys, "token", "--property", host_property, "--json")
    made = json.loads(out)
    said = {"jwt_audience": "crm", "jwt_issuer": "https://issuer.example"}
    checks = Bearers(settings.model_copy(update=said))
    assert str(await checks.subject(made["token"])) == made["profile_id"]
    with pytest.raises(Unproven):
        await Bearers(settings).subject(made["token"])


@pytest.mark.usefixtures("environment")
async def test_what_does_not_exist_fails_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    nothing = "0198f000-0000-7000-8000-000000000000"
    for arguments in (
        ("property", "create", "--name", "x", "--timezone", "Mars/Olympus"),
        ("property", "create", "--name", "x", "--timezone", "UTC", "--org", nothing),
        ("key", "issue", nothing),
        ("key", "issue", nothing, "--origin", "*"),
        ("key", "revoke", nothing, nothing),
        ("token", "--property", nothing),
        ("token",),
    ):
        code, out = await crm(capsys, *arguments)
        assert (code, out) == (1, ""), arguments
