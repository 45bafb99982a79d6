"""Forecasts of messages that were not sent yet: what the rules of sending would say when due."""

from dataclasses import dataclass
from datetime import datetime

from events.log.connection import Connection
from events.record import Cause
from services.application.message_states import MessageState
from services.application.scope import Scope
from services.application.sending_context import load_context
from services.application.unit_of_work import UnitOfWork
from services.deciders.delivery_state import OPEN
from services.deciders.delivery_steps import describe_reason
from services.deciders.sending_rules.catalog import judge
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


async def forecast_message(
    conn: Connection, state: MessageState, now: datetime
) -> MessageForecast | None:
    """Return the forecast of a message; None if it is on its way, or has ended."""
    if state.last.status not in OPEN:
        return None
    at = max(now, state.last.next_at or now)
    scope = Scope(state.org_id, state.property_id, at, _CAUSE)
    uow = UnitOfWork(conn, scope, None)  # type: ignore[arg-type]
    result = judge(await load_context(uow, state.planned))
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
