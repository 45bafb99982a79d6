"""The whole stack, mostly without processes of the core: servers, schema, state and stop."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from events.bus.topic_creation import create_topic
from events.bus.topics import Topics
from services.cli.commands.down import down
from services.local_stack.child_process import StackError, spawn, stop, wait_for_end, wait_until
from services.local_stack.core_process import MAX_CRASHES
from services.local_stack.stack import Stack
from services.runtime.settings import Settings
from services.runtime.stack_state import read_state, write_state
from tests.services.intake.processes import send

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "CRM_JWT_SECRET", "CRM_HTTP_PORT"):
        monkeypatch.delenv(name, raising=False)


def servers_only(home: Path) -> Stack:
    return Stack(home, processes=(), durable=False)


async def test_a_restart_keeps_the_data_and_the_token_secret(home: Path) -> None:
    with servers_only(home) as stack:
        secret = stack.settings.jwt_secret
        await execute(stack, "INSERT INTO organizations (name) VALUES ('Acme')")
    with servers_only(home) as stack:
        assert stack.settings.jwt_secret == secret
        assert await execute(stack, "DELETE FROM organizations") == "DELETE 1"


def test_other_commands_find_the_running_stack(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_HOME", str(home))
    with servers_only(home) as stack:
        settings = Settings()
        assert settings.dsn == stack.settings.dsn
        assert settings.kafka_bootstrap_servers == stack.settings.kafka_bootstrap_servers
        assert settings.jwt_secret == stack.settings.jwt_secret
        assert (home / "stack.json").stat().st_mode & 0o077 == 0
    assert read_state(home) is None


def test_two_stacks_cannot_use_one_directory(home: Path) -> None:
    with servers_only(home), pytest.raises(StackError, match="crm down"):
        servers_only(home).start()


def test_a_stopped_stack_leaves_no_server_running(home: Path) -> None:
    with servers_only(home) as stack:
        assert None not in server_pids(stack)
    assert server_pids(stack) == [None, None]


def test_servers_of_the_environment_are_used_instead_of_own_ones(
    home: Path, database_url: str, bootstrap_servers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", bootstrap_servers)
    with servers_only(home) as stack:
        assert stack.servers.postgres is None
        assert stack.servers.broker is None
        assert stack.settings.dsn == database_url
        assert stack.settings.kafka_bootstrap_servers == bootstrap_servers


def test_the_stack_limits_no_address_unless_it_is_configured(
    home: Path, database_url: str, bootstrap_servers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", bootstrap_servers)
    monkeypatch.setenv("CRM_LIMIT_KEY", "7/minute")
    with servers_only(home) as stack:
        assert (stack.settings.limit_address, stack.settings.limit_key) == ("", "7/minute")
        assert "127.0.0.0/8" in stack.settings.proxies, "simulated visitors state their networks"


def test_a_failed_start_leaves_nothing_running(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.local_stack.core_process.MAX_PAUSE_SECONDS", 0.05)
    stack = Stack(home, processes=("no_such_process",), durable=False)
    with pytest.raises(StackError, match="no_such_process"):
        stack.start()
    assert server_pids(stack) == [None, None]
    assert read_state(home) is None


async def test_a_dead_broker_does_not_prevent_the_stop(home: Path) -> None:
    notices: list[str] = []
    stack = Stack(home, processes=("intake",), durable=False, notice=notices.append)
    stack.start()
    assert stack.servers.broker is not None
    stack.servers.broker.crash()
    stack.stop()
    assert server_pids(stack) == [None, None]
    assert not stack.processes["intake"].is_running
    assert read_state(home) is None
    assert [words for words in notices if "the broker does not answer" in words]


async def test_the_stop_drains_an_intake_that_is_not_restarted_any_more(home: Path) -> None:
    stack = Stack(home, processes=("intake",), durable=False)
    stack.start()
    crash_intake_for_good(stack)
    await send(stack.settings, [(b"not a CloudEvent", [])] * 3)
    stack.stop()
    with servers_only(home) as again:
        assert await execute(again, "DELETE FROM crm.dead_letters") == "DELETE 3"


async def test_lost_intake_records_are_counted_in_a_warning(home: Path) -> None:
    notices: list[str] = []
    stack = Stack(home, processes=("intake",), durable=False, notice=notices.append)
    stack.start()
    crash_intake_for_good(stack)
    stack.processes["intake"].command = (sys.executable, "-c", "raise SystemExit('no such table')")
    await send(stack.settings, [(b"not a CloudEvent", [])] * 3)
    stack.stop()
    [warning] = [words for words in notices if words.startswith("WARNING")]
    assert "3 unread intake records are lost" in warning
    assert server_pids(stack) == [None, None]


async def test_down_drains_the_records_of_a_killed_stack(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_HOME", str(home))
    stack = servers_only(home)
    stack.start()
    topic = Topics.of(stack.settings.topic_prefix).intake
    await create_topic(stack.settings.kafka_bootstrap_servers, topic, partitions=8, replicas=1)
    await send(stack.settings, [(b"not a CloudEvent", [])] * 3)
    pid = spawn(("true",), log=home / "log")
    wait_for_end(pid, 10)
    state = read_state(home)
    assert state is not None
    write_state(home, replace(state, pid=pid))  # as if it had been killed
    await asyncio.to_thread(down)
    assert server_pids(stack) == [None, None]
    stack.stop()
    with servers_only(home) as again:
        assert await execute(again, "DELETE FROM crm.dead_letters") == "DELETE 3"


def crash_intake_for_good(stack: Stack) -> None:
    intake = stack.processes["intake"]
    intake.crashes = MAX_CRASHES
    assert intake.pid is not None
    stop(intake.pid, 20)  # it leaves its consumer group, so that the next one need not wait
    assert wait_until(lambda: stack.failed == ["intake"], 120)


def server_pids(stack: Stack) -> list[int | None]:
    own = (stack.servers.postgres, stack.servers.broker)
    return [server.pid for server in own if server is not None]


async def execute(stack: Stack, statement: str) -> str:
    connection = await asyncpg.connect(stack.settings.dsn)
    try:
        return await connection.execute(statement)
    finally:
        await connection.close()
