"""The execution of policies: what an event demands, in transactions with derived ids."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID, uuid5

import asyncpg

from events.log.commands import CommandId
from events.log.error_text import describe_error
from events.log.read import read_trace
from events.record import Cause, Origin, RecordedEvent, UnreadableEvent
from projections.engine.apply import BAD_ROW_ERRORS
from services.application.command_handler import transact
from services.application.scope import Scope
from services.application.unit_of_work import UnitOfWork
from services.deciders.decider import Refused
from services.runtime import metrics
from services.runtime.clock import Clock
from services.runtime.database import CONNECTION_ERRORS, is_fault
from services.runtime.tracing import in_trace, span
from services.workflows.policies.policy import Policy

REPEAT_LIMIT = timedelta(days=7)
"""Time for which it is remembered that a policy has acted because of an event.

It is much longer than any repetition after a crash can be late.
"""


class PolicyError(Exception):
    """A policy that could not act because of an event, with the reason.

    The cause is of the event or of the program, not of the servers.
    """

    def __init__(self, policy: str, reason: str, detail: str) -> None:
        super().__init__(f"policy {policy}: {reason}: {detail}")
        self.policy, self.reason, self.detail = policy, reason, detail


class PolicyRunner:
    """The policies with the database and the clock that they use."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock, policies: Sequence[Policy]) -> None:
        self.pool, self.clock, self.policies = pool, clock, policies
        self._by_event: dict[str, list[Policy]] = {}
        for policy in policies:
            for kind in policy.events:
                self._by_event.setdefault(kind.name, []).append(policy)

    def select(self, recorded: RecordedEvent) -> Sequence[Policy]:
        """Return the policies that an event concerns.

        An imported or adopted event is history and concerns none, nor does an event of an
        organisation. An event that this build cannot read concerns the policies of its type.
        """
        if recorded.origin != Origin.LIVE or recorded.property_id is None:
            return ()
        return self._by_event.get(recorded.event.name, ())

    async def run(self, policy: Policy, recorded: RecordedEvent, attempt: int = 0) -> int:
        """Let a policy act because of an event; return the number of its targets.

        A repetition with the same `attempt` changes nothing. Raise `PolicyError`, also after a
        time-out of a statement or a lock: the event may be the cause, so it is tried again later
        and not at once for ever. Raise the errors of the database that a new connection or a repair
        cures.
        """
        try:
            return await self._run(policy, recorded, attempt)
        except PolicyError:
            raise
        except Refused as refused:
            raise PolicyError(policy.name, refused.code, refused.message) from refused
        except Exception as error:
            if _is_of_the_database(error):
                raise
            reason = type(error).__name__
            raise PolicyError(policy.name, reason, describe_error(error)) from error

    async def _run(self, policy: Policy, recorded: RecordedEvent, attempt: int) -> int:
        event = recorded.event
        if isinstance(event, UnreadableEvent):
            raise PolicyError(policy.name, "unreadable", event.why)
        scope = self._scope(policy, recorded)
        async with self.pool.acquire() as pooled_conn:
            conn = cast("asyncpg.Connection", pooled_conn)
            targets = await policy.find_targets(UnitOfWork(conn, scope, None), recorded)
            trace = await read_trace(conn, recorded.id) if targets else None
        with in_trace(trace), span(f"policy {policy.name}", policy=policy.name):
            for target in targets:
                await self._act(policy, recorded, scope, target, attempt)
                metrics.POLICY_ACTIONS.labels(policy.name).inc()
        return len(targets)

    async def _act(
        self, policy: Policy, recorded: RecordedEvent, scope: Scope, target: UUID, attempt: int
    ) -> None:
        seed = uuid5(recorded.id, f"{policy.name}/{target}/{attempt}")

        async def work(uow: UnitOfWork) -> None:
            try:
                await policy.act(uow, recorded, target)
            except Refused as refused:
                # A refusal would be stored as the result, and the next attempt would get it again.
                raise PolicyError(policy.name, refused.code, refused.message) from refused

        await transact(
            self.pool,
            scope,
            work,
            command_id=CommandId(seed, seed.bytes, datetime.now(UTC) + REPEAT_LIMIT),
            seed=seed,
        )

    def _scope(self, policy: Policy, recorded: RecordedEvent) -> Scope:
        assert recorded.property_id is not None  # noqa: S101 — `select` has checked it
        cause = Cause(
            actor=f"policy:{policy.name}",
            correlation_id=recorded.correlation_id or recorded.id,
            causation_id=recorded.id,
        )
        return Scope(recorded.org_id, recorded.property_id, self.clock.now(), cause)


def _is_of_the_database(error: Exception) -> bool:
    """Return whether the database is the cause: it is away, or it needs a repair."""
    if isinstance(error, (asyncpg.QueryCanceledError, *BAD_ROW_ERRORS)):
        return False
    return isinstance(error, CONNECTION_ERRORS) or is_fault(error)
