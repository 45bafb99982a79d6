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
PARKED = Gauge("crm_parked_events", "Events that wait for a fix", TENANT, registry=REGISTRY)
DEAD_LETTERS = Gauge(
    "crm_dead_letters", "Intake records refused and kept", [*TENANT, "reason"], registry=REGISTRY
)
RETIRED = Counter(
    "crm_retired_rows", "Rows and dead letters that retention removed", ["kind"], registry=REGISTRY
)
HTTP_SECONDS = Histogram(
    "crm_http_seconds", "Time to answer", ["method", "route", "status"], registry=REGISTRY
)


def exposition() -> bytes:
    """Return all metrics in the text format of Prometheus."""
    return generate_latest(REGISTRY)
