"""Forecasts of messages that were not sent yet: what the rules of sending would say when due."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from events.log.connection import Connection
from events.record import Cause
from services.application.message_states import MessageState
from services.application.scope import Scope
from services.application.sending_context import load_counts, load_person, load_subjects
from services.application.unit_of_work import UnitOfWork
from services.deciders.delivery_state import OPEN
from services.deciders.delivery_steps import describe_reason
from services.deciders.sending_rules.catalog import judge
from services.deciders.sending_rules.context import SendingContext
from services.deciders.sending_rules.rule_result import Ruling

_CAUSE = Cause("forecast")


@dataclass(frozen=True, slots=True)
class MessageForecast:
    """The result of the rules if nothing changes until the message is due.

    `at` is the next lawful time; None if the message would be skipped. `reason` is the key of the
    rule that would hold or skip it.
    """

    at: datetime | None
    reason: str | None
    explanation: str


async def forecast_messages(
    conn: Connection, states: Sequence[MessageState], now: datetime
) -> list[MessageForecast | None]:
    """Return the forecast of each message to a person.

    What is the same for several messages, such as consents and the lead, is read once.
    """
    reads = _ForecastReads(conn, now)
    return [
        await _forecast(reads, state) if state.last.status in OPEN else None for state in states
    ]


class _ForecastReads:
    """The reads of forecasts, remembered for further messages."""

    def __init__(self, conn: Connection, now: datetime) -> None:
        self._conn, self.now = conn, now
        self._works: dict[UUID, UnitOfWork] = {}
        self._persons: dict[tuple[Any, ...], tuple[Sequence[UUID], dict[str, Any]]] = {}
        self._counts: dict[tuple[Any, ...], dict[str, Any]] = {}

    async def load(self, state: MessageState, at: datetime) -> SendingContext:
        """Return what the rules will compare for a message at an instant."""
        planned, uow = state.planned, self._work_of(state)
        key = (state.property_id, planned.lead_id, planned.channel, planned.purpose,
               planned.recipient)  # fmt: skip
        if key not in self._persons:
            self._persons[key] = await load_person(uow, planned)
        person, values = self._persons[key]
        counted = (state.property_id, *person, at)
        if counted not in self._counts:
            self._counts[counted] = await load_counts(uow, person, at)
        subjects = await load_subjects(uow, planned)
        return SendingContext(
            at, planned, state.planned_at, **values, **self._counts[counted], **subjects
        )

    def _work_of(self, state: MessageState) -> UnitOfWork:
        if state.property_id not in self._works:
            scope = Scope(state.org_id, state.property_id, self.now, _CAUSE)
            self._works[state.property_id] = UnitOfWork(self._conn, scope, None)  # type: ignore[arg-type]
        return self._works[state.property_id]


async def _forecast(reads: _ForecastReads, state: MessageState) -> MessageForecast:
    at = max(reads.now, state.last.next_at or reads.now)
    result = judge(await reads.load(state, at))
    match result.ruling:
        case Ruling.ALLOW:
            return MessageForecast(at, None, f"it leaves at {at:%Y-%m-%d %H:%M} UTC")
        case Ruling.HOLD:
            until = result.until or at
            text = f"it waits until {until:%Y-%m-%d %H:%M} UTC: {describe_reason(result.code)}"
            return MessageForecast(until, result.code, text)
        case Ruling.SKIP:
            text = f"it is not going to be sent: {describe_reason(result.code)}"
            return MessageForecast(None, result.code, text)
