"""`crm api-key` with a real database and an API that takes its keys."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from services.cli.main import run
from services.runtime.settings import Settings
from tests.conftest import use_database
from tests.services.api.api_key_requests import EVENTS, find_event_id, get_event
from tests.services.api.conftest import site_in_process  # noqa: F401 — a fixture
from tests.services.api.site import Site


@pytest.fixture
def site(site_in_process: Site) -> Site:  # noqa: F811 — the fixture above
    return site_in_process


async def crm(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Run a command with `--json`; return its exit code and what it printed."""
    capsys.readouterr()
    code = await asyncio.to_thread(run, ("api-key", *arguments))
    out = capsys.readouterr().out
    return code, json.loads(out) if out.strip() else None


async def test_a_key_is_created_used_listed_and_revoked(
    site: Site, settings: Settings, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    use_database(monkeypatch, settings)
    org_id, lead = str(site.world.org_id), await site.create_lead()
    await site.project()
    code, created = await crm(
        capsys, "create", org_id, "--label", "warehouse", "--reason", "reports", "--property",
        str(site.property_id), "--expires-in-days", "1", "--json",
    )  # fmt: skip
    assert code == 0
    headers = {"X-API-Key": created["key"]}
    assert (await site.client.get(EVENTS, headers=headers)).status_code == 200
    event_id = await find_event_id(site, lead)
    assert (await get_event(site, created["key"], event_id)).status_code == 200
    for options in ((), ("--key", created["id"]), ("--lead", str(lead))):
        _, reads = await crm(capsys, "reads", org_id, *options, "--json")
        assert reads[0]["event_ids"] == [str(event_id)], options
    assert (await crm(capsys, "reads", org_id, "--lead", str(uuid4()), "--json"))[1] == []
    code, _ = await crm(capsys, "revoke", org_id, created["id"], "--reason", "leaked")
    assert code == 0
    assert (await site.client.get(EVENTS, headers=headers)).status_code == 401
    await site.project()
    _, listed = await crm(capsys, "list", org_id, "--json")
    assert [(row["id"], row["state"], row["revoke_reason"]) for row in listed] == [
        (created["id"], "revoked", "leaked")
    ]
    assert created["key"] not in json.dumps(listed)


async def test_a_wrong_id_is_reported_in_one_line(
    site: Site, settings: Settings, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    use_database(monkeypatch, settings)
    org_id, nothing = str(site.world.org_id), str(uuid4())
    required = ("--label", "x", "--reason", "y")
    for arguments in (
        ("create", nothing, *required),
        ("create", org_id, *required, "--property", nothing),
        ("create", org_id, *required, "--expires-in-days", "0"),
        ("revoke", org_id, nothing, "--reason", "y"),
    ):
        assert await crm(capsys, *arguments) == (1, None), arguments
    assert (await crm(capsys, "create", org_id, *required, "--scope", "all"))[0] == 2
