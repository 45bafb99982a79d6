"""Test of `make demo` as a whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.stack
def test_the_demo_succeeds_and_deletes_its_files(home: Path) -> None:
    env = {**os.environ, "HOME": str(home / "home"), "TMPDIR": str(home)}
    for name in ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "CRM_HOME"):
        env.pop(name, None)
    (home / "home").mkdir()
    home.chmod(0o755)  # if root starts PostgreSQL, it runs under another account
    demo = subprocess.run(
        [sys.executable, "-m", "services.cli", "demo"],
        env=env, capture_output=True, text=True, check=False, timeout=500,
    )  # fmt: skip
    assert demo.returncode == 0, demo.stderr[-3000:]
    assert "live = rebuilt for every projection" in demo.stderr
    assert "DIFFERS" not in demo.stdout
    assert "the servers for e-mail and SMS got 14 messages" in demo.stderr
    assert "Ben did not come: a no-show" in demo.stderr
    assert "messages are not sent at this hour where the person is" in demo.stdout
    assert list(home.glob("crm-demo-*")) == []
