"""Metrics of the sender."""

from prometheus_client import Counter, Gauge, Histogram

from services.runtime.metrics import REGISTRY

HANDED_OVER = Counter(
    "crm_deliveries_handed_over", "Requests to providers by their result",
    ["channel", "provider", "result"], registry=REGISTRY,
)  # fmt: skip
NOT_SENT = Counter(
    "crm_deliveries_not_sent", "Messages that a rule held or skipped",
    ["channel", "ruling", "rule"], registry=REGISTRY,
)  # fmt: skip
LOST = Counter(
    "crm_deliveries_lost", "Hand-overs without a result, by the status after the look-up",
    ["channel", "status"], registry=REGISTRY,
)  # fmt: skip
ERRORS = Counter(
    "crm_delivery_errors", "Errors of the sender after which a message is tried again",
    registry=REGISTRY,
)  # fmt: skip
LATENESS = Histogram(
    "crm_delivery_lateness_seconds", "Time from the due time of a message to its claim",
    buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 1_800), registry=REGISTRY,
)  # fmt: skip
OVERDUE = Gauge(
    "crm_deliveries_overdue_seconds", "Time for which the longest waiting due message waits",
    registry=REGISTRY,
)  # fmt: skip
