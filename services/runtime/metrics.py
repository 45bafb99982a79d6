"""Prometheus metrics that several packages use, and the registry of all metrics."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.openmetrics import exposition as openmetrics

from events.trace_context import CURRENT_TRACE

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

TENANT = ("org_id", "property_id")

APPENDED = Counter(
    "crm_events_appended", "Events written to the log", ["event_type"], registry=REGISTRY
)
PUBLISHED = Counter("crm_events_published", "Events acknowledged by the bus", registry=REGISTRY)
PROJECTED = Counter(
    "crm_events_projected", "Events applied to the tables", ["shards"], registry=REGISTRY
)
LAG_EVENTS = Gauge(
    "crm_lag_events", "Events of the log not yet in the tables", ["shards"], registry=REGISTRY
)
LAG_SECONDS = Gauge(
    "crm_lag_seconds", "Age of the oldest event not yet in the tables", ["shards"],
    registry=REGISTRY,
)  # fmt: skip
MISSING_KEYS = Counter(
    "crm_data_key_missing", "Attempts that stopped because the key store lacks a data key",
    registry=REGISTRY,
)  # fmt: skip
STANDSTILL = Gauge(
    "crm_projection_standstill_seconds",
    "Time for which events have waited although nothing is applied; table: the table that cannot "
    "be written, or `policies`", ["table"],
    registry=REGISTRY,
)  # fmt: skip
POLICY_LAG_EVENTS = Gauge(
    "crm_policy_lag_events", "Events of the log that the policies have not seen", ["shards"],
    registry=REGISTRY,
)  # fmt: skip
POLICY_LAG_SECONDS = Gauge(
    "crm_policy_lag_seconds", "Age of the oldest event that the policies have not seen", ["shards"],
    registry=REGISTRY,
)  # fmt: skip
POLICY_EVENTS = Counter(
    "crm_policy_events", "Events that the policies have seen", ["shards"], registry=REGISTRY
)
POLICY_ACTIONS = Counter(
    "crm_policy_actions", "Targets on which policies acted", ["policy"], registry=REGISTRY
)
NO_RUN = Counter(
    "crm_trigger_events_without_run", "Trigger events of active workflows that started no run",
    ["reason"], registry=REGISTRY,
)  # fmt: skip
POLICY_FAILURES = Gauge(
    "crm_policy_failures", "Events because of which a policy could not act", [*TENANT, "policy"],
    registry=REGISTRY,
)  # fmt: skip
STUCK_RUNS = Gauge(
    "crm_stuck_runs", "Runs that make no progress", [*TENANT, "code"], registry=REGISTRY
)
PARKED = Gauge("crm_parked_events", "Events that wait for a fix", TENANT, registry=REGISTRY)
DEAD_LETTERS = Gauge(
    "crm_dead_letters", "Intake records refused and kept", [*TENANT, "reason"], registry=REGISTRY
)
REFUSED = Counter(
    "crm_records_refused", "Records of the bus that were not believed", ["reason"],
    registry=REGISTRY,
)  # fmt: skip
STAGED = Gauge(
    "crm_staged_changes", "Changes of the host's rows that are not in the log", registry=REGISTRY
)
STAGED_SECONDS = Gauge(
    "crm_staged_seconds", "Age of the oldest change of the host's rows that is not in the log",
    registry=REGISTRY,
)  # fmt: skip
STAGED_REFUSED = Gauge(
    "crm_staged_refused", "Changes of the host's rows that the log refuses", registry=REGISTRY
)
RELAY_ACTIVE = Gauge(
    "crm_relay_active", "1 if this process has the relay lease and publishes", registry=REGISTRY
)
CHECK_PROBLEMS = Gauge(
    "crm_check_problems", "1 if a check of /readyz reports a problem", ["check"], registry=REGISTRY
)
HISTORY_LOST = Gauge(
    "crm_history_lost", "1 if the bus has events that the log does not have", registry=REGISTRY
)
TABLES_BEYOND_LOG = Gauge(
    "crm_tables_beyond_log", "Shards whose checkpoint is beyond the log", registry=REGISTRY
)
RETIRED = Counter(
    "crm_retired_rows", "Rows and dead letters that retention removed", ["kind"], registry=REGISTRY
)
HTTP_SECONDS = Histogram(
    "crm_http_seconds", "Time to answer", ["method", "route", "status"], registry=REGISTRY
)


def current_exemplar() -> dict[str, str] | None:
    """Return the exemplar of an observation: the current trace, if its spans are recorded."""
    trace = CURRENT_TRACE.get()
    if trace is None or not trace.span_id:
        return None
    return {"trace_id": trace.trace_id.hex(), "span_id": trace.span_id.hex()}


def exposition(*, is_open_metrics: bool = False) -> bytes:
    """Return all metrics in the text format of Prometheus, or in OpenMetrics with exemplars."""
    if not is_open_metrics:
        return generate_latest(REGISTRY)
    text: bytes = openmetrics.generate_latest(REGISTRY)  # type: ignore[no-untyped-call]
    return text
