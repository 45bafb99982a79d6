"""The layout of the project: packages, exact versions, processes in compose and in `crm up`."""

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

import events
import services
from services.intake.settings import IntakeSettings
from services.local_stack.stack import PROCESSES, STOP_ORDER
from services.runtime.settings import Settings

ROOT = Path(__file__).parents[1]
PINNED = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+")


def constraints() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_packages_are_imported_from_this_tree() -> None:
    assert Path(events.__file__).parent == ROOT / "events"
    assert Path(services.__file__).parent == ROOT / "services"


def test_every_pinned_version_is_exact_and_has_no_address() -> None:
    assert [line for line in constraints() if not PINNED.fullmatch(line)] == []


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = [*project["dependencies"]]
    for group in project["optional-dependencies"].values():
        required += group
    pinned = {_name(line) for line in constraints()}
    assert {_name(line) for line in required} <= pinned


def test_compose_starts_every_process_after_the_migration() -> None:
    composed: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    servers = {"postgres", "kafka", "migrate", "prometheus", "grafana", "jaeger"}
    processes = composed.keys() - servers
    assert processes == set(PROCESSES) == set(STOP_ORDER)
    for name in processes:
        assert composed[name]["command"] == [f"services.{name}"]
        condition = composed[name]["depends_on"]["migrate"]["condition"]
        assert condition == "service_completed_successfully"
        assert "test" in composed[name]["healthcheck"]


NOT_IN_COMPOSE = {"CRM_HOME", "CRM_CLOCK_DELAY_FILE"}
"""Settings of `crm up` and of the demo only."""


def test_compose_passes_every_setting_to_every_process() -> None:
    composed = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    expected = {
        _variable("CRM_", name, field.validation_alias)
        for name, field in Settings.model_fields.items()
    } | {f"CRM_INTAKE_{name.upper()}" for name in IntakeSettings.model_fields}
    for process in PROCESSES:
        names = set(composed[process]["environment"])
        of_traces = {name for name in names if name.startswith("OTEL_")}
        assert names - of_traces == expected - NOT_IN_COMPOSE, process
        assert {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_SAMPLER_ARG"} <= of_traces, process


def test_compose_has_no_password_outside_the_file_for_development() -> None:
    """Each password is required: `:?` and not `:-`."""
    text = (ROOT / "compose.yaml").read_text()
    passwords = set(re.findall(r"\$\{(\w*(?:PASSWORD|SECRET|MASTER_KEY)\w*)(..)?", text))
    assert passwords == {
        ("POSTGRES_PASSWORD", ":?"), ("CRM_DATABASE_PASSWORD", ":?"), ("CRM_JWT_SECRET", ":?"),
        ("CRM_MASTER_KEY", ":?"),
    }  # fmt: skip
    for address in re.findall(r"postgresql://\S+", text):
        assert "postgres:${POSTGRES_PASSWORD" in address or "crm_login:${" in address


def _variable(prefix: str, name: str, alias: object) -> str:
    """Return the environment variable of a setting."""
    return str(alias or f"{prefix}{name}").upper()


def test_every_process_is_a_package_with_a_main_module() -> None:
    missing = [
        name for name in PROCESSES if not (ROOT / "services" / name / "__main__.py").exists()
    ]
    assert missing == []


def _name(requirement: str) -> str:
    name = re.split(r"[\[=<>;!~ ]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()
