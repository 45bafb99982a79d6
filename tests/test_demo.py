"""`make demo` tells its story to the end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.stack
def test_the_demo_ends_well_and_leaves_nothing_behind(tmp_path: Path) -> None:
    env = {**os.environ, "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path)}
    for name in ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "CRM_HOME"):
        env.pop(name, None)
    (tmp_path / "home").mkdir()
    tmp_path.chmod(0o755)  # PostgreSQL runs under an account of its own where root starts it
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "demo"],
        env=env, capture_output=True, text=True, check=False, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "live = rebuilt for every projection" in done.stderr
    assert "DIFFERS" not in done.stdout
    assert list(tmp_path.glob("crm-demo-*")) == []
