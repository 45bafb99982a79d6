"""The account of messages after kills: requests, ends, and the cause of each unknown one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from services.application.hand_overs import LOST
from tests.races.lying_server import UNCLEAR, Handling, LyingServer
from tests.services.adapters.provider_servers import Mode
from tests.stored_events import read_stored_events

UNSETTLED = ("planned", "claimed", "released")
"""Ends that are none: somebody still has to work on such a message."""
REASONED = ("skipped", "held")


class Kill(NamedTuple):
    """The end of a process or server that the test caused: its name, and from when to when."""

    name: str
    began_at: datetime
    ended_at: datetime


class Message(NamedTuple):
    """A message with its history in the log."""

    delivery_id: UUID
    body: str
    types: Sequence[str]
    """The event types without `delivery.`, in order."""
    times: Sequence[datetime]
    payloads: Sequence[Mapping[str, Any]]

    @property
    def state(self) -> str:
        """The state of the message, as its table has it."""
        last, payload = self.types[-1], self.payloads[-1]
        if last == "reconciled":
            return str(payload["outcome"])
        return "simulated" if last == "handed_over" and payload["simulated"] else last

    @property
    def end(self) -> str:
        """The state of the message with its reason or outcome, as the account counts it."""
        last = self.types[-1]
        if last == "reconciled":
            return f"unknown, then {self.state}"
        return f"{last}: {self.payloads[-1]['reason']}" if last in REASONED else self.state

    @property
    def is_unknown(self) -> bool:
        return "unknown" in self.types

    @property
    def claimed_at(self) -> datetime:
        """The time of the claim whose result was not known."""
        return self.times[self.types.index("unknown") - 1]

    @property
    def lease_until(self) -> datetime:
        claim = self.payloads[self.types.index("unknown") - 1]
        return datetime.fromisoformat(claim["lease_until"])

    @property
    def unknown_at(self) -> datetime:
        return self.times[self.types.index("unknown")]

    @property
    def error(self) -> str:
        """The reason with which the message became unknown."""
        return str(self.payloads[self.types.index("unknown")]["detail"])


@dataclass
class Account:
    """Numbers of messages by their end, and of the unknown ones by their cause."""

    requests: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)

    @property
    def planned(self) -> int:
        return self.ends.total()

    def __str__(self) -> str:
        return (
            f"{self.planned} messages, {self.requests} requests; ends {dict(self.ends)}; "
            f"causes of the unknown ones {dict(self.causes)}"
        )


async def read_messages(pool: asyncpg.Pool) -> list[Message]:
    """Return all messages of the log with their histories."""
    histories: dict[UUID, list[dict[str, Any]]] = {}
    for row in await read_stored_events(pool, "entity_type = 'delivery'"):
        histories.setdefault(row["entity_id"], []).append(row)
    return [
        Message(
            message_id,
            rows[0]["payload"]["body"],
            [row["event_type"].removeprefix("delivery.") for row in rows],
            [row["occurred_at"] for row in rows],
            [row["payload"] for row in rows],
        )
        for message_id, rows in histories.items()
    ]


def take_account(
    messages: Sequence[Message], server: LyingServer, kills: Sequence[Kill]
) -> Account:
    """Check that each message had one request at most, and an end that fits to it.

    `kills`: the ends of sender processes, and those of the database with the name `postgres`.
    """
    bodies = Counter(message.body for message in messages)
    assert bodies.total() == len(bodies), bodies.most_common(3)  # no step was planned twice
    assert set(server.seen) <= set(bodies)
    account = Account(server.posted)
    for message in messages:
        handlings = server.seen.get(message.body, [])
        _check_requests(message, handlings)
        account.ends[message.end] += 1
        if message.is_unknown:
            account.causes[find_cause(message, handlings, kills)] += 1
    return account


def _check_requests(message: Message, handlings: Sequence[Handling]) -> None:
    """Check the requests of one message against its end."""
    modes = [handling.mode for handling in handlings]
    counted = [mode for mode in modes if mode is not Mode.BUSY]
    story = (message.body, modes, message.types)
    assert len(counted) <= 1, story
    # The provider may have got more requests than one only after it had answered "busy".
    assert modes[: len(modes) - len(counted)] == [Mode.BUSY] * (len(modes) - len(counted)), story
    end = message.types[-1]
    assert end not in UNSETTLED, story
    if message.is_unknown:
        steps = message.types[message.types.index("unknown") - 1 :]
        assert steps[:2] == ["claimed", "unknown"], story
        assert "claimed" not in steps[1:], story  # nobody made another request
        assert message.payloads[-1].get("outcome") != "never_sent" or not counted, story
    elif message.end == "simulated" or end in ("skipped", "held"):
        assert not counted, story
    elif end == "failed":
        assert counted == [Mode.REFUSE], story
    elif "delivered" in message.types:  # a report can come before the answer, or instead of it
        assert counted[0] is not Mode.REFUSE, story
    else:
        assert counted[0] in (Mode.ACCEPT, Mode.TWICE), story


def find_cause(message: Message, handlings: Sequence[Handling], kills: Sequence[Kill]) -> str:
    """Return why it was unknown whether the provider has a message; fail without a real cause.

    The request of the last claim is that which arrived after it. Each sender process has a name of
    its own, so its end explains only what became of its own requests.
    """
    of_claim = [handling for handling in handlings if handling.at >= message.claimed_at]
    until = message.unknown_at
    assert until >= message.lease_until, message
    if of_claim and of_claim[-1].mode in UNCLEAR:
        return f"the provider: {of_claim[-1].mode}"
    if message.error != LOST:  # the sender was alive and noted why it has no result
        assert message.error.startswith("no answer"), (message, handlings)
        return "the answer came after the time-out"
    during = [k for k in kills if k.ended_at >= message.claimed_at and k.began_at <= until]
    if of_claim:
        sender = of_claim[-1].sender
        if any(kill.name == sender for kill in during):
            return "the sender was killed between the request and its result"
    elif any(kill.name.startswith("sender") for kill in during):
        return "the sender was killed between the claim and the request"
    assert any(kill.name == "postgres" for kill in during), (message, handlings, during)
    if of_claim:
        return "the database was killed between the request and its result"
    return "the database was killed at the commit of the claim"
