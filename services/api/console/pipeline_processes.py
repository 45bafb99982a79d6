"""The processes and servers of the pipeline, and how each does, in words."""

from typing import NamedTuple

from services.api.console.words import describe_count
from services.application.pipeline_state import MAX_COUNT, PipelineState
from services.application.pipeline_trend import Trend

DELAY_SECONDS = 5.0
"""Age of the oldest event that is not applied from which the tables are called behind."""

OTHER_PROCESSES = {
    "intake": "admits records of producers",
    "timers": "does what is due: reminders, workflow steps, no-shows",
    "sender": "hands messages over",
    "replay_worker": "rebuilds tables on request",
    "api": "answers requests",
}
"""The processes that own no checkpoint, with what they do."""


MANY_SESSIONS = 0.9
"""Share of the allowed sessions from which the database is nearly full."""
LONG_TRANSACTION_SECONDS = 300.0


class ProcessRow(NamedTuple):
    """A process: what it does now, in words, and how many sessions it has in the database."""

    name: str
    state: str
    text: str
    sessions: int

    @property
    def process(self) -> str:
        """The name of the process without that of its owner."""
        return self.name.partition(" ")[0]


def list_processes(state: PipelineState) -> list[ProcessRow]:
    """Return the processes that the database knows: owners of work, then sessions."""
    relay = state.relay
    rows = [
        ProcessRow(
            f"relay {relay.name or ''}".strip(), "ok" if relay.is_alive else "failed",
            f"has the lease, {count_events(relay.behind)} behind" if relay.is_alive
            else "its lease has ended", state.sessions.get("crm relay", 0),
        )
    ]  # fmt: skip
    for process, group in (("projector", state.projection), ("workflows", state.policies)):
        owners = group.owners
        if not owners:
            rows.append(ProcessRow(
                process, "waiting", "owns no shard", state.sessions.get(f"crm {process}", 0)
            ))  # fmt: skip
        for owner, shards in owners.items():
            lag = sum(shard.lag_events for shard in shards)
            seconds = max(shard.lag_seconds for shard in shards)
            rows.append(ProcessRow(
                f"{process} {owner}", "ok" if seconds <= DELAY_SECONDS else "waiting",
                f"owns {describe_count(len(shards), 'shard')}, {count_events(lag)} and "
                f"{seconds:.1f} s behind",
                state.sessions.get(f"crm {process}", 0),
            ))  # fmt: skip
    for process, what in OTHER_PROCESSES.items():
        sessions = state.sessions.get(f"crm {process}", 0)
        text = what if sessions else "has no session in this database"
        rows.append(ProcessRow(process, "ok" if sessions else "waiting", text, sessions))
    return rows


def list_servers(state: PipelineState, trend: Trend) -> list[ProcessRow]:
    """Return the database and the broker, and whether they work."""
    database = state.database
    problems = []
    if database.sessions > MANY_SESSIONS * database.max_sessions:
        problems.append("nearly all sessions are in use")
    if database.oldest_transaction_seconds > LONG_TRANSACTION_SECONDS:
        problems.append(
            f"a transaction is open for {database.oldest_transaction_seconds / 60:,.0f} minutes"
        )
    records = sum(state.bus_records.values())
    broker = f"{describe_count(records, 'record')} of crm.events"
    if trend.is_bus_stuck:
        broker = f"takes nothing: not published yet are {count_events(state.relay.unpublished)}"
    return [
        ProcessRow(
            "database", "waiting" if problems else "ok",
            ", ".join(problems) or f"answers, {database.size_bytes / 2**20:,.0f} MiB, sessions: "
            f"{database.sessions} of {database.max_sessions}", database.sessions,
        ),
        ProcessRow("broker", "failed" if trend.is_bus_stuck else "ok", broker, 0),
    ]  # fmt: skip


def count_text(count: int) -> str:
    """Return a number that was counted up to a limit."""
    return f"{count:,} or more" if count >= MAX_COUNT else f"{count:,}"


def count_events(count: int) -> str:
    """Return a number of events that was counted up to a limit: `1 event`."""
    return f"{count_text(count)} event{'' if count == 1 else 's'}"
