"""The import contracts of pyproject.toml hold, in `make test` too and not only in lint."""

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def contracts() -> list[dict[str, Any]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = settings["tool"]["importlinter"]["contracts"]
    return found


def test_every_import_contract_is_kept() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [lint, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Contracts: {len(contracts())} kept, 0 broken." in done.stdout


def test_the_layers_know_no_exception() -> None:
    layers = [contract for contract in contracts() if contract["type"] == "layers"]
    assert len(layers) == 2
    for contract in layers:
        assert "ignore_imports" not in contract


def test_replay_imports_nothing_that_acts() -> None:
    """Adapters reach the world, policies and timers decide, the sender hands messages over."""
    [replay] = [c for c in contracts() if c["id"] == "replay-without-side-effects"]
    assert set(replay["source_modules"]) == {"services.replay", "projections"}
    acting = {"services.adapters", "services.sender", "services.workflows"}
    assert acting <= set(replay["forbidden_modules"])
    assert "ignore_imports" not in replay


def test_every_package_of_services_has_a_layer() -> None:
    [services] = [contract for contract in contracts() if contract["id"] == "services"]
    assert services["exhaustive"] is True
