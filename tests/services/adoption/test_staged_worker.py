"""The worker of the relay process that appends staged changes, and its health check."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from events.log.locks import try_lock_name
from services.relay import staged_changes
from services.relay.staged_changes import STAGED_LOCK, StagedChangeWorker
from services.runtime.metrics import REGISTRY
from tests.conftest import make_settings, until
from tests.services.adoption.conftest import HostDatabase
from tests.services.cli.test_credentials import crm

EDIT = "UPDATE leads SET notes = coalesce(notes, '') || $2 WHERE id = $1"
STAGED = "SELECT count(*) FROM crm.staged_changes"
TRIED = "SELECT xmin FROM crm.staged_changes WHERE problem IS NOT NULL"
"""The transaction that tried a refused change."""


@asynccontextmanager
async def run_worker(
    database: HostDatabase, home: Path, is_publishing: Callable[[], bool] = lambda: True
) -> AsyncIterator[StagedChangeWorker]:
    worker = StagedChangeWorker(make_settings(database.url, "127.0.0.1:9", home), is_publishing)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def is_empty(database: HostDatabase) -> bool:
    return bool(await database.conn.fetchval(STAGED) == 0)


@pytest.mark.parametrize("is_publishing", [True, False])
async def test_the_worker_appends_also_without_the_relay_lease(
    adopted: HostDatabase, tmp_path: Path, is_publishing: bool
) -> None:
    """A relay that cannot reach Kafka never has it, and personal values must not stay staged."""
    async with run_worker(adopted, tmp_path, lambda: is_publishing) as worker:
        for lead in adopted.host.leads[:20]:
            await adopted.conn.execute(EDIT, lead, "edited")
        await until(lambda: is_empty(adopted))
        await until(lambda: worker.backlog.waiting == 0)
        assert await worker.check() is None
    query = "SELECT count(*) FROM crm_events WHERE actor = 'host' AND event_type = 'lead.updated'"
    assert await adopted.conn.fetchval(query) == 20


async def test_one_process_appends_at_a_time_and_a_long_wait_is_reported(
    adopted: HostDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staged_changes, "MAX_AGE_SECONDS", 0.0)
    async with adopted.pool.acquire() as other, run_worker(adopted, tmp_path) as worker:
        async with other.transaction():
            assert await try_lock_name(other, STAGED_LOCK)
            await adopted.conn.execute(EDIT, adopted.host.leads[0], "edited")
            problem = await until(worker.check)
            assert problem.startswith("1 changes of the host's rows are not in the log, the oldest")
            assert REGISTRY.get_sample_value("crm_staged_changes") == 1
            assert REGISTRY.get_sample_value("crm_staged_seconds") > 0  # type: ignore[operator]
            assert not await is_empty(adopted)
        await until(lambda: is_empty(adopted))
        await until(lambda: worker.backlog.waiting == 0)
        assert await worker.check() is None


async def test_refused_changes_are_reported_tried_again_and_discarded(
    adopted: HostDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(staged_changes, "RETRY_REFUSED_SECONDS", 0.0)
    monkeypatch.setenv("DATABASE_URL", adopted.url)
    monkeypatch.setenv("CRM_HOME", str(tmp_path))
    lead = adopted.host.leads[0]
    async with adopted.conn.transaction():
        await adopted.conn.execute(EDIT, lead, "refused")
        await adopted.conn.execute(
            "UPDATE crm.staged_changes SET payload = payload || '{\"unknown\": 1}'"
        )
    async with run_worker(adopted, tmp_path) as worker:
        problem = await until(worker.check)
        assert "1 changes of the host's rows are refused" in problem
        assert "unknown: extra_forbidden" in problem
        assert "see `crm staged list`" in problem
        assert REGISTRY.get_sample_value("crm_staged_refused") == 1
        tried = await until(lambda: adopted.conn.fetchval(TRIED))
        await until(lambda: adopted.conn.fetchval(f"SELECT ({TRIED}) <> $1::xid", tried))
    monkeypatch.setattr(staged_changes, "RETRY_REFUSED_SECONDS", 3_600.0)
    await adopted.conn.execute(EDIT, lead, "later")
    async with run_worker(adopted, tmp_path):
        await until(lambda: adopted.conn.fetchval(TRIED))
    code, out = await crm(capsys, "staged", "list", "--json")
    [refused] = json.loads(out)
    assert (code, refused["behind"], refused["entity_id"]) == (0, 1, str(lead))
    number = str(refused["seq"])
    assert (await crm(capsys, "staged", "discard"))[0] == 1
    assert (await crm(capsys, "staged", "discard", "999999"))[0] == 1
    assert (await crm(capsys, "staged", "discard", number))[0] == 0
    assert (await crm(capsys, "staged", "retry", number))[0] == 1
    assert (await crm(capsys, "staged", "retry"))[0] == 0
    async with run_worker(adopted, tmp_path) as worker:
        await until(lambda: is_empty(adopted))
        await until(lambda: worker.backlog.waiting == 0)
        assert await worker.check() is None


async def test_the_worker_connects_again_after_a_lost_connection(
    adopted: HostDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staged_changes, "RETRY_SECONDS", 0.0)
    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'crm staged changes' AND datname = current_database()"
    )
    async with run_worker(adopted, tmp_path):
        await until(lambda: adopted.conn.fetch(kill))
        await adopted.conn.execute(EDIT, adopted.host.leads[0], "edited")
        await until(lambda: is_empty(adopted))
