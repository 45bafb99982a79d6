"""`crm console`: a link that signs a development user in once."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx2
import pytest

from services.api.app import create_app
from services.cli.main import run
from services.runtime.settings import Settings
from tests.conftest import JWT_SECRET
from tests.world import make_world


@pytest.fixture
def environment(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setenv("CRM_JWT_SECRET", JWT_SECRET)
    monkeypatch.setenv("CRM_HOME", str(tmp_path))


async def open_console(
    capsys: pytest.CaptureFixture[str], settings: Settings, *arguments: str
) -> tuple[int, str]:
    """Run `crm console` and follow its link; return the status and text of the page."""
    capsys.readouterr()
    assert await asyncio.to_thread(run, ("console", "--no-open", *arguments)) == 0
    link = capsys.readouterr().out.strip()
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app), base_url="http://test", follow_redirects=True
        ) as client,
    ):
        parts = urlsplit(link)
        response = await client.get(f"{parts.path}?{parts.query}")
        return response.status_code, response.text


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("role", ["viewer", "manager", "admin"])
async def test_the_link_opens_the_console_with_the_role(
    role: str, settings: Settings, pool: asyncpg.Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    await make_world(pool)
    status, text = await open_console(capsys, settings, "--role", role)
    assert status == 200
    assert f"<summary>{role}</summary>" in text


@pytest.mark.usefixtures("environment")
async def test_an_operator_of_a_property_sees_both(
    settings: Settings, pool: asyncpg.Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    world = await make_world(pool)
    chosen = ("--property", str(world.properties[0]), "--operator")
    status, text = await open_console(capsys, settings, *chosen)
    assert status == 200
    assert "<summary>admin and operator</summary>" in text


@pytest.mark.usefixtures("environment")
async def test_without_a_property_the_command_says_what_to_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert await asyncio.to_thread(run, ("console", "--no-open")) == 1
    assert "crm property create" in capsys.readouterr().err
