"""The embedded PostgreSQL: one server, private, durable, and restarted after a crash."""

import stat
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from services.local_stack.child_process import StackError
from services.local_stack.postgres import Postgres

pytestmark = pytest.mark.stack


@pytest.fixture
def server(run_directory: Path, request: pytest.FixtureRequest) -> Iterator[Postgres]:
    server = Postgres(run_directory / f"postgres-{request.node.name[:30]}", durable=False)
    yield server
    server.stop()


def test_a_second_start_changes_nothing(server: Postgres) -> None:
    server.start()
    first = server.pid
    server.start()
    Postgres(server.directory).start()
    assert server.pid == first


def test_a_crashed_server_restarts_on_its_port_with_committed_data(server: Postgres) -> None:
    server.start()
    server.psql("-c", "CREATE TABLE numbers AS SELECT 1 AS one")
    pid, port = server.pid, server.port
    server.restart(crash=True)
    assert server.pid != pid
    assert server.port == port
    assert server.psql("-Atc", "SELECT one FROM numbers").strip() == "1"


def test_a_stopped_server_keeps_its_data(server: Postgres) -> None:
    server.start()
    server.ensure_database("crm")
    server.stop()
    assert server.pid is None
    server.start()
    server.ensure_database("crm")
    assert "crm" in server.psql("-Atc", "SELECT datname FROM pg_database").split()


async def test_a_tcp_connection_needs_the_password(server: Postgres) -> None:
    server.start()
    await (await asyncpg.connect(server.url())).close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server.url().replace(server.password, "guessed"))


def test_data_and_password_are_private(server: Postgres) -> None:
    server.start()
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    assert stat.S_IMODE((server.directory / "password").stat().st_mode) == 0o600


def test_commits_are_flushed_unless_durable_is_off(server: Postgres) -> None:
    server.start()
    assert server.psql("-Atc", "SHOW fsync").strip() == "off"
    assert server.psql("-Atc", "SHOW synchronous_commit").strip() == "on"
    server.stop()
    durable = Postgres(server.directory)
    durable.start()
    assert durable.psql("-Atc", "SHOW fsync").strip() == "on"


def test_an_interrupted_initialisation_is_repeated(server: Postgres) -> None:
    left = server.directory / "data.new"
    left.mkdir(parents=True)
    (left / "PG_VERSION").write_text("18")
    server.start()
    assert not left.exists()
    assert server.psql("-Atc", "SELECT 1").strip() == "1"


def test_a_path_that_is_too_long_for_a_socket_works(run_directory: Path) -> None:
    server = Postgres(run_directory / ("long" * 25), durable=False)
    server.start()
    try:
        assert server.psql("-Atc", "SELECT 1").strip() == "1"
    finally:
        server.stop()


def test_a_failed_start_shows_the_end_of_the_log(server: Postgres) -> None:
    server.start()
    server.stop()
    with (server.data / "postgresql.conf").open("a") as conf:
        conf.write("no_such_setting = 1\n")
    with pytest.raises(StackError, match="no_such_setting"):
        server.start()
