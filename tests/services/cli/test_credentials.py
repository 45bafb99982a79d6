"""`crm property`, `crm key` and `crm token`: credentials that the API accepts."""

import asyncio
import json
from pathlib import Path

import httpx2
import pytest

from services.api.app import create_app
from services.api.auth.bearer import BearerVerifier, InvalidBearerToken
from services.cli.main import run
from services.runtime.settings import Settings
from tests.conftest import JWT_SECRET
from tests.world import World


@pytest.fixture
def environment(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setenv("CRM_JWT_SECRET", JWT_SECRET)
    monkeypatch.setenv("CRM_HOME", str(tmp_path))


async def crm(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    code = await asyncio.to_thread(run, arguments)
    return code, capsys.readouterr().out


@pytest.mark.usefixtures("environment")
async def test_the_api_accepts_requests_with_a_new_key_and_token(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out = await crm(
        capsys, "property", "create", "--name", "Maple", "--timezone", "America/New_York", "--json"
    )
    created = json.loads(out)
    property_id = created["property_id"]
    _, listed = await crm(capsys, "property", "list", "--json")
    assert json.loads(listed)[0]["name"] == "Maple"
    _, out = await crm(
        capsys, "key", "issue", property_id, "--origin", "https://maple.example", "--json"
    )
    key = json.loads(out)
    _, out = await crm(capsys, "key", "list", property_id, "--json")
    assert [row["key_id"] for row in json.loads(out)] == [key["key_id"]]
    assert key["key"] not in out
    code, bearer = await crm(capsys, "token", "--property", property_id)
    assert code == 0

    app = create_app(settings)
    async with app.router.lifespan_context(app):
        world = World(app.state.context.pool, created["org_id"], [property_id])
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
                "/api/leads", json={"propertyId": property_id, "email": "a@b.co"},
                headers={"Authorization": f"Bearer {bearer.strip()}"},
            )  # fmt: skip
            assert lead.status_code == 201, lead.text
            code, _ = await crm(capsys, "key", "revoke", property_id, key["key_id"])
            assert code == 0
            await world.project()
            chat = await client.post(
                "/api/lumaleasing/chat", json={"message": "hello"}, headers=headers
            )
            assert chat.status_code == 401


@pytest.mark.usefixtures("environment")
async def test_a_token_has_the_audience_and_issuer_of_the_settings(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out = await crm(capsys, "property", "create", "--name", "M", "--timezone", "UTC", "--json")
    property_id = json.loads(out)["property_id"]
    monkeypatch.setenv("CRM_JWT_AUDIENCE", "crm")
    monkeypatch.setenv("CRM_JWT_ISSUER", "https://issuer.example")
    _, out = await crm(capsys, "token", "--property", property_id, "--json")
    issued = json.loads(out)
    expected = {"jwt_audience": "crm", "jwt_issuer": "https://issuer.example"}
    verifier = BearerVerifier(settings.model_copy(update=expected))
    assert str((await verifier.identify(issued["token"])).user_id) == issued["profile_id"]
    with pytest.raises(InvalidBearerToken):
        await BearerVerifier(settings).identify(issued["token"])


@pytest.mark.usefixtures("environment")
async def test_a_token_has_the_addresses_of_the_account(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out = await crm(capsys, "property", "create", "--name", "M", "--timezone", "UTC", "--json")
    property_id = json.loads(out)["property_id"]
    addresses = ("--email", "grace@example.com", "--phone", "+12125550188")
    for options, expected in (((), (None, None)), (addresses, (addresses[1], addresses[3]))):
        _, out = await crm(capsys, "token", "--property", property_id, "--json", *options)
        identity = await BearerVerifier(settings).identify(json.loads(out)["token"])
        assert (identity.email, identity.phone) == expected


@pytest.mark.usefixtures("environment")
async def test_an_unknown_property_is_reported_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
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
