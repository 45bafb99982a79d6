"""`crm up` that cannot start: one clear line and an exit code, and nothing is left running."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.main import FAILED
from services.local_stack.ports import HOST

pytestmark = pytest.mark.stack


def run_up(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    names = ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "CRM_HTTP_PORT", "CRM_JWT_SECRET")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.run(
        [sys.executable, "-m", "services.cli", "up", *arguments],
        env={**environment, "CRM_HOME": str(home), **variables},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"DATABASE_URL": "postgresql://crm:hidden@127.0.0.1:1/crm"},
         "cannot reach the database at 127.0.0.1:1"),
        ({"DATABASE_URL": "postgresql://crm:hidden@no-such-host.invalid/crm"},
         "cannot reach the database at no-such-host.invalid"),
        ({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, "cannot reach Kafka at 127.0.0.1:1"),
        ({"CRM_HTTP_PORT": "used"}, "is in use"),
        ({"CRM_HTTP_PORT": "http"}, "CRM_HTTP_PORT is 'http': give the number of a port"),
    ],
    ids=["database", "host name", "kafka", "used port", "no port"],
)  # fmt: skip
def test_crm_up_that_cannot_start_says_why_in_one_line(
    home: Path,
    database_url: str,
    bootstrap_servers: str,
    variables: dict[str, str],
    text: str,
) -> None:
    with socket.create_server((HOST, 0)) as used:
        port = str(used.getsockname()[1])
        servers = {"DATABASE_URL": database_url, "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers}
        given = {name: port if value == "used" else value for name, value in variables.items()}
        done = run_up(home, **{**servers, **given})
    assert done.returncode == FAILED, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("crm: ")
    assert text in last
    assert "Traceback" not in done.stderr
    assert "hidden" not in done.stderr
    assert not (home / "stack.json").exists()
