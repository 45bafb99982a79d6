"""Dashboards and alert rules: every name exists, and every alarm is explained.

The metrics are those that the processes register: the test imports the processes and reads them.
"""

import importlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Histogram
from starlette.routing import Route

from services.api.console.live import live_route
from services.api.routes.session_events import router
from services.application.alarm_texts import ALARM_TEXTS
from services.local_stack.stack import PROCESSES
from services.runtime.metrics import REGISTRY
from tests.docs.promql import NotUnderstood, read_names

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "observability"
DASHBOARDS = sorted((PAGES / "dashboards").glob("*.json"))
OF_PROMETHEUS = {"up": {"job", "process"}}
"""Metrics that Prometheus itself adds to each scrape."""


def load_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@cache
def load_metrics() -> Mapping[str, set[str]]:
    """Return the name of each sample that a process exposes → its labels."""
    for process in PROCESSES:
        module = "app" if process == "api" else process
        importlib.import_module(f"services.{process}.{module}")
    configured = load_yaml(PAGES / "prometheus.yml")["scrape_configs"][0]["static_configs"]
    scraped = {"job", *configured[0]["labels"]}
    found: dict[str, set[str]] = dict(OF_PROMETHEUS)
    # Only here does the registry have the names of metrics that have no sample yet.
    for collector, names in REGISTRY._collector_to_names.items():
        labels = scraped | set(getattr(collector, "_labelnames", ()))
        samples = [sample.name for family in collector.collect() for sample in family.samples]
        for name in names or samples:
            is_bucket = isinstance(collector, Histogram) and name.endswith("_bucket")
            found[name] = labels | ({"le"} if is_bucket else set())
    return found


def list_rules() -> list[dict[str, Any]]:
    groups = load_yaml(PAGES / "rules.yml")["groups"]
    return [rule for group in groups for rule in group["rules"]]


def list_expressions() -> Iterator[tuple[str, str, str]]:
    """Yield place, expression and legend of each rule and of each target of a panel."""
    for rule in list_rules():
        yield rule["alert"], rule["expr"], ""
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                yield f"{path.name}: {panel['title']}", target["expr"], target["legendFormat"]
        for annotation in dashboard["annotations"]["list"]:
            yield (
                f"{path.name}: {annotation['name']}",
                annotation["expr"],
                annotation["titleFormat"],
            )


def find_unknown_names(expression: str, legend: str = "") -> list[str]:
    """Return the metrics and labels that no process exposes."""
    names, metrics = read_names(expression), load_metrics()
    unknown = [name for name in names.metrics if name not in metrics]
    exposed = set[str]().union(*(metrics.get(name, ()) for name in names.metrics))
    shown = set(re.findall(r"\{\{(\w+)\}\}", legend))
    for name, labels in names.metrics.items():
        unknown += [f"{name}.{label}" for label in labels - metrics.get(name, set())]
    return [*unknown, *(names.groups - exposed), *(shown - exposed)]


def test_every_metric_and_label_is_exposed_by_a_process() -> None:
    found = {
        f"{place}: {expression}": unknown
        for place, expression, legend in list_expressions()
        if (unknown := find_unknown_names(expression, legend))
    }
    assert found == {}


def test_every_shown_label_is_left_by_the_aggregation() -> None:
    """A legend with a label that `sum` removed would be empty."""
    for place, expression, legend in list_expressions():
        groups = read_names(expression).groups
        shown = set(re.findall(r"\{\{(\w+)\}\}", legend))
        if re.match(r"(sum|max|min|topk|histogram_quantile)\b", expression):
            assert shown <= groups, place


@pytest.mark.parametrize(
    "expression",
    ["sum(crm_no_such_metric)", 'sum(crm_lag_seconds{colour="x"})', "sum by (x) (crm_lag_seconds)"],
)
def test_a_wrong_name_is_found(expression: str) -> None:
    assert find_unknown_names(expression)


@pytest.mark.parametrize(
    "expression", ["sum(crm_lag_seconds", "median(crm_lag_seconds)", "sum(x) > ;", "sum by x (y)"]
)
def test_a_wrong_expression_is_refused(expression: str) -> None:
    with pytest.raises(NotUnderstood):
        read_names(expression)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.foreign_client
def test_prometheus_accepts_the_rules_and_every_expression(tmp_path: Path) -> None:
    """The tool of Prometheus reads them. The expressions of panels become rules that record."""
    recorded = [
        {"record": f"panel_{number}", "expr": expression}
        for number, (_, expression, _) in enumerate(list_expressions())
    ]
    panels = tmp_path / "panels.yml"
    panels.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    for path in (PAGES / "rules.yml", panels):
        subprocess.run(["promtool", "check", "rules", str(path)], check=True, capture_output=True)


def test_every_rule_has_the_texts_of_its_alarm() -> None:
    """One source: page, rules and runbook cannot disagree."""
    rules = list_rules()
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        text = ALARM_TEXTS[rule["labels"]["alarm"]]
        assert rule["annotations"] == {
            "summary": text.summary, "meaning": text.meaning, "action": text.action,
            "runbook": f"docs/observability/alarms.md#{text.section}",
        }  # fmt: skip
        assert rule["labels"]["urgency"] in ("now", "waits")


def test_every_alarm_has_a_section_of_the_runbook_with_the_same_texts() -> None:
    page = (PAGES / "alarms.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert list(sections) == [text.summary for text in ALARM_TEXTS.values()]
    rules = {rule["labels"]["alarm"]: rule["alert"] for rule in list_rules()}
    for code, text in ALARM_TEXTS.items():
        section = " ".join(sections[text.summary].split())
        assert f"**What it means.** {text.meaning}" in section
        assert f"**What to do.** {text.action}" in section
        assert f"Code `{code}`" in section
        assert f"Alert `{rules[code]}`" in section if code in rules else "console only" in section


def test_every_page_that_an_alarm_names_exists() -> None:
    for text in ALARM_TEXTS.values():
        for page in re.findall(r"docs/[\w/-]+\.md", f"{text.meaning} {text.action}"):
            assert (ROOT / page).exists()


def test_the_time_to_answer_leaves_streams_out() -> None:
    """A stream lasts as long as somebody looks."""
    [excluded] = {
        found
        for _, expression, _ in list_expressions()
        for found in re.findall(r'route!~"([^"]+)"', expression)
    }
    streams = [live_route(), *router.routes]
    paths = [route.path for route in streams if isinstance(route, Route)]
    assert len(paths) == 2
    assert [path for path in paths if not re.fullmatch(excluded, path)] == []


def test_every_process_is_scraped_with_its_name() -> None:
    [scrape] = load_yaml(PAGES / "prometheus.yml")["scrape_configs"]
    targets = {
        (config["labels"]["process"], *config["targets"]) for config in scrape["static_configs"]
    }
    assert targets == {(process, f"{process}:9100") for process in PROCESSES}
    assert scrape["job_name"] == "crm"


OBSERVABILITY = ("prometheus", "grafana", "jaeger")


def test_the_services_for_observability_start_only_with_their_profile() -> None:
    services = load_yaml(ROOT / "compose.yaml")["services"]
    for name, service in services.items():
        assert service.get("profiles") == (["observability"] if name in OBSERVABILITY else None)


def test_the_services_for_observability_are_pinned_and_listen_on_this_machine() -> None:
    composed = load_yaml(ROOT / "compose.yaml")
    for name in OBSERVABILITY:
        service = composed["services"][name]
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", service["image"])
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            exists = (
                (ROOT / source).exists()
                if source.startswith("./")
                else source in composed["volumes"]
            )
            assert exists, volume


def test_dashboards_use_the_provisioned_source_and_say_what_they_show() -> None:
    sources = load_yaml(PAGES / "grafana" / "datasources.yml")["datasources"]
    page = (PAGES / "README.md").read_text(encoding="utf-8")
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        assert f"[{dashboard['title']}](dashboards/{path.name})" in page
        for panel in dashboard["panels"]:
            assert panel["description"]
            used = {panel["datasource"]["uid"], *(t["datasource"]["uid"] for t in panel["targets"])}
            assert used == {sources[0]["uid"]}
    assert len({json.loads(path.read_text())["uid"] for path in DASHBOARDS}) == len(DASHBOARDS)
