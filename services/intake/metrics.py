"""What the door tells Prometheus."""

from collections import Counter as Tally
from collections.abc import Sequence

from prometheus_client import Counter, Gauge

from events.log.connection import Connection
from services.intake import dead_letters, pending_records
from services.intake.outcome import Fate, Item
from services.runtime.metrics import APPENDED, DEAD_LETTERS, REGISTRY

RECORDS = Counter(
    "crm_intake_records", "Intake records by what became of them", ["fate", "reason"],
    registry=REGISTRY,
)  # fmt: skip
WAITING = Gauge(
    "crm_intake_waiting", "Intake records that wait for their subject", registry=REGISTRY
)


def count(items: Sequence[Item]) -> None:
    """Count what became of these."""
    outcomes = [item.outcome for item in items if item.outcome]
    for (fate, reason), number in Tally((o.fate.value, o.reason) for o in outcomes).items():
        RECORDS.labels(fate, reason).inc(number)
    taken = [i for i in items if i.outcome and i.outcome.fate is Fate.ACCEPTED and i.new]
    for name, number in Tally(item.recorded.event.name for item in taken).items():
        APPENDED.labels(name).inc(number)


async def look(conn: Connection) -> None:
    """Set the gauges to what the tables say."""
    WAITING.set(await pending_records.count(conn))
    DEAD_LETTERS.clear()
    for row in await dead_letters.open_counts(conn):
        tenant = (str(row["org_id"] or ""), str(row["property_id"] or ""))
        DEAD_LETTERS.labels(*tenant, row["reason"]).set(row["count"])
