"""The policy `signal`: an occurrence lets the runs that wait for it go on."""

from uuid import UUID

from events.record import RecordedEvent
from events.timers import TimerKind
from services.application.run_steps import signal_run
from services.application.unit_of_work import UnitOfWork
from services.deciders import runs
from services.deciders.occurrences import OCCURRING, occurrence_of
from services.workflows.policies.lead_runs import find_earlier_runs
from services.workflows.policies.policy import Policy, readable


async def find_waiting_runs(uow: UnitOfWork, recorded: RecordedEvent) -> list[UUID]:
    """Return the runs of the lead that wait for what happened.

    A worker that begins the wait at this moment may not have seen the event. It has locked the
    timer of its run, so its end is awaited before the run is read. A later worker sees the event.
    """
    occurrence = occurrence_of(readable(recorded))
    earlier = [] if occurrence is None else await find_earlier_runs(uow, recorded)
    if not earlier:
        return []
    async with uow.conn.transaction():
        await uow.conn.execute(
            "SELECT FROM crm.timers WHERE kind = $1 AND entity_id = ANY($2::uuid[]) "
            "ORDER BY entity_id FOR SHARE",
            TimerKind.RUN,
            earlier,
        )
    states = {run_id: await uow.load(runs.decider, run_id) for run_id in earlier}
    return [run_id for run_id, state in states.items() if state.waits_for == occurrence]


async def act(uow: UnitOfWork, recorded: RecordedEvent, run_id: UUID) -> None:
    """Let the run go on if it still waits for this occurrence."""
    if (occurrence := occurrence_of(readable(recorded))) is not None:
        await signal_run(uow, run_id, occurrence)


SIGNAL = Policy("signal", OCCURRING, find_waiting_runs, act)
