"""The pace of a provider: its rate limit, and pauses while it takes nothing.

A message that has to wait gets a turn of its own, so that a thousand of them do not come again
together. The pace is that of one sender process.
"""

from datetime import datetime, timedelta
from uuid import UUID

MAX_TURNS = 100_000
FAILURES_BEFORE_PAUSE = 3
"""Requests in a row without an answer after which the provider gets a pause."""
PAUSE = timedelta(seconds=30)


class ProviderPace:
    """The turns of the messages of one provider. A rate of 0 has no limit."""

    def __init__(self, per_second: float) -> None:
        self._interval = timedelta(seconds=1 / per_second) if per_second else timedelta()
        self._turns: dict[UUID, datetime] = {}
        self._next_turn: datetime | None = None
        self._failures = 0

    def find_turn(self, delivery_id: UUID, now: datetime) -> datetime:
        """Return when the message may be handed over: now, or a later turn that is kept for it."""
        turn = self._turns.get(delivery_id)
        if turn is None:
            turn = now if self._next_turn is None else max(now, self._next_turn)
            self._next_turn = turn + self._interval
            if len(self._turns) >= MAX_TURNS:
                self._turns.clear()
            self._turns[delivery_id] = turn
        if turn <= now:
            del self._turns[delivery_id]
        return turn

    def record_answer(self) -> None:
        """Note that the provider answered a request."""
        self._failures = 0

    def record_failure(self, now: datetime, pause: timedelta | None = None) -> None:
        """Note a request without success; begin a pause if it asks for one, or after several."""
        self._failures += 1
        if pause is None and self._failures >= FAILURES_BEFORE_PAUSE:
            pause = PAUSE
        if pause:
            self._turns.clear()  # all of them get new turns, after the pause
            self._next_turn = now + pause
