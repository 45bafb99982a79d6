"""Metrics of the intake."""

from collections import Counter as Tally
from collections.abc import Sequence

from prometheus_client import Counter, Gauge

from events.log.connection import Connection
from services.application import dead_letters
from services.intake import pending_records
from services.intake.outcome import IntakeItem, IntakeStatus
from services.runtime.metrics import APPENDED, DEAD_LETTERS, REGISTRY

RECORDS = Counter(
    "crm_intake_records", "Intake records by outcome", ["fate", "reason"],
    registry=REGISTRY,
)  # fmt: skip
WAITING = Gauge(
    "crm_intake_waiting", "Intake records that wait for their subject", registry=REGISTRY
)
UNREAD = Gauge(
    "crm_intake_unread_records", "Records of the intake topic that are not admitted yet",
    registry=REGISTRY,
)  # fmt: skip


def count(items: Sequence[IntakeItem]) -> None:
    """Count the outcomes of these items."""
    outcomes = [item.outcome for item in items if item.outcome]
    for (status, reason), number in Tally((o.status.value, o.reason) for o in outcomes).items():
        RECORDS.labels(status, reason).inc(number)
    accepted = [i for i in items if i.outcome and i.outcome.status is IntakeStatus.ACCEPTED]
    for name, number in Tally(item.new_event.event.name for item in accepted).items():
        APPENDED.labels(name).inc(number)


async def update_gauges(conn: Connection) -> None:
    """Set the gauges from the tables of pending records and dead letters."""
    WAITING.set(await pending_records.count(conn))
    DEAD_LETTERS.clear()
    for row in await dead_letters.open_counts(conn):
        tenant = (str(row["org_id"] or ""), str(row["property_id"] or ""))
        DEAD_LETTERS.labels(*tenant, row["reason"]).set(row["count"])
