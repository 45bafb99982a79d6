"""`crm log`: the key that signs records is rotated."""

import asyncio
import json

import asyncpg
import pytest

from events.log.secret_keys import load_secret_keys
from services.cli.main import FAILED, OK, USAGE, run
from services.runtime.settings import Settings
from tests.conftest import use_database


@pytest.fixture(autouse=True)
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    use_database(monkeypatch, settings)
    monkeypatch.setenv("CRM_HOME", str(settings.home))


async def test_a_rotation_makes_a_key_that_signs_and_keeps_the_former_one(
    pool: asyncpg.Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    async with pool.acquire() as conn:
        (before,) = await load_secret_keys(conn, "record_digest")
        arguments = ["log", "rotate-digest-key", "--overlap", "12h", "--json"]
        assert await asyncio.to_thread(run, arguments) == OK
        printed = json.loads(capsys.readouterr().out)
        new, kept = await load_secret_keys(conn, "record_digest")
    assert printed == {"key_id": str(new.id), "former_key_ids": [str(before.id)]}
    assert kept == before


async def test_an_overlap_of_zero_retires_the_former_key_at_once(
    pool: asyncpg.Pool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await asyncio.to_thread(run, ["log", "rotate-digest-key", "--overlap", "0s"]) == OK
    async with pool.acquire() as conn:
        (only,) = await load_secret_keys(conn, "record_digest")
    assert str(only.id) in capsys.readouterr().err


@pytest.mark.parametrize(("overlap", "code"), [("soon", USAGE), ("=-1d", FAILED)])
def test_a_wrong_overlap_is_one_line(
    capsys: pytest.CaptureFixture[str], overlap: str, code: int
) -> None:
    option = f"--overlap{overlap}" if overlap.startswith("=") else f"--overlap={overlap}"
    assert run(["log", "rotate-digest-key", option]) == code
    error = capsys.readouterr().err
    assert "overlap" in error
    assert error.count("\n") == 1
