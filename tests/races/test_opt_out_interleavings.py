"""A STOP between plan and hand-over, at every statement of both transactions.

The sender and the STOP are interleaved with two changes of turn, at every pair of statements:
some statements of the sender, some of the STOP, then the rest of the sender, then the rest of the
STOP. Either the message is skipped and nothing leaves, or it was claimed before the STOP.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg
import pytest

from events.consents import ConsentChannel
from services.application.opt_outs import ContactDecision, decide_for_contact
from services.runtime.settings import Settings
from services.sender.delivery_worker import DeliveryWorker
from tests.races.stepping import BLOCKED_SECONDS, Gate, gated_pool
from tests.services.sender.outbox import LEASE_SECONDS, Outbox, make_outbox

SENT, STOPPED = ["planned", "claimed", "handed_over"], ["planned", "skipped no_consent"]
WAIT_SECONDS = 30.0
ALL = 1_000
"""More statements than an actor has."""
LANES = 4
"""Interleavings that run at the same time: most of their time is spent waiting for locks."""


@dataclass
class Race:
    """A sender and a STOP whose statements wait for their turns."""

    outbox: Outbox
    sender_pool: asyncpg.Pool
    stop_pool: asyncpg.Pool
    sender_gate: Gate
    stop_gate: Gate
    number: int = 0

    async def run(
        self, sender_first: int, stop_first: int, *, is_shared: bool = False
    ) -> tuple[list[str], int, int]:
        """Run one interleaving; return what became of the message, and the numbers of statements.

        Check that nothing left unless it was claimed before the STOP was recorded. A shared number
        is one of an older lead too: the STOP finds only that one, the tables are behind the log.
        """
        self.number += 1
        lead_id, phone = uuid4(), f"+1212556{self.number:04d}"
        world = self.outbox.world
        people = [uuid4(), lead_id] if is_shared else [lead_id]
        for person in people:
            captured = world.captured(person, email=f"{person}@acme.io", phone=phone)
            await world.append(world.new(captured))
        message = await self.outbox.plan(lead_id=lead_id)
        self.sender_gate.close()
        self.stop_gate.close()
        sender = asyncio.create_task(self._send(message))
        stop = asyncio.create_task(self._stop(phone))
        await self._pass(self.sender_gate, sender, sender_first)
        await self._pass(self.stop_gate, stop, stop_first)
        self.sender_gate.open()
        await asyncio.wait({sender}, timeout=BLOCKED_SECONDS)
        self.stop_gate.open()
        await asyncio.wait_for(asyncio.gather(sender, stop), WAIT_SECONDS)
        steps = await self.outbox.steps(message)
        left = [r for r in self.outbox.sms.requests if r.delivery_id == message]
        assert len(left) == (1 if steps == SENT else 0), (sender_first, stop_first, steps)
        if steps == SENT:
            assert await self._was_claimed_first(message, people[0]), (sender_first, stop_first)
        else:
            assert steps == STOPPED, (sender_first, stop_first, steps)
        return steps, self.sender_gate.statements, self.stop_gate.statements

    async def _pass(self, gate: Gate, actor: "asyncio.Task[None]", statements: int) -> None:
        """Let statements pass, until one waits for the other actor. `ALL` never have to wait."""
        blocked_seconds = WAIT_SECONDS if statements == ALL else BLOCKED_SECONDS
        for _ in range(statements):
            if not await gate.pass_one(actor, blocked_seconds):
                return

    async def _send(self, message: UUID) -> None:
        outbox = self.outbox
        worker = DeliveryWorker(
            self.sender_pool, outbox.providers, outbox.clock, LEASE_SECONDS, outbox.paces
        )
        await worker.process(outbox.property_id, message, asyncio.Lock())

    async def _stop(self, phone: str) -> None:
        decision = ContactDecision(
            uuid4(), self.outbox.world.org_id, ConsentChannel.SMS, phone, False, "sms_reply",
            self.outbox.clock.now(), "provider:sms", "STOP", "STOP",
        )  # fmt: skip
        async with self.stop_pool.acquire() as conn:
            assert await decide_for_contact(conn, decision) == 1  # type: ignore[arg-type]

    async def _was_claimed_first(self, message: UUID, lead_id: UUID) -> bool:
        rows = await self.outbox.world.pool.fetch(
            "SELECT event_type FROM crm_events WHERE event_type = ANY($3::text[]) "
            "AND (entity_id = $1 OR lead_id = $2) ORDER BY seq",
            message,
            lead_id,
            ["delivery.claimed", "consent.withdrawn"],
        )
        return [row["event_type"] for row in rows] == ["delivery.claimed", "consent.withdrawn"]


async def run_lane(settings: Settings, pool: asyncpg.Pool, lane: int) -> None:
    """Run every pair whose number of statements of the sender belongs to the lane.

    Each lane has an organisation of its own.
    """
    outbox = await make_outbox(pool)
    await outbox.set_rules(intents_per_hour=1_000_000)
    sender_gate, stop_gate = Gate(), Gate()
    async with (
        gated_pool(settings, sender_gate) as sender_pool,
        gated_pool(settings, stop_gate) as stop_pool,
    ):
        race = Race(outbox, sender_pool, stop_pool, sender_gate, stop_gate)
        ends: Counter[str] = Counter()
        steps, of_sender, of_stop = await race.run(sender_first=ALL, stop_first=0)
        assert steps == SENT
        steps, _, of_stop = await race.run(sender_first=0, stop_first=ALL)
        assert steps == STOPPED
        assert min(of_sender, of_stop) > 5
        for sender_first in range(lane, of_sender + 1, LANES):
            for stop_first in range(of_stop + 1):
                steps, _, _ = await race.run(sender_first, stop_first)
                ends[steps[-1]] += 1
            steps, _, _ = await race.run(sender_first, of_stop // 2, is_shared=True)
            ends[steps[-1]] += 1
    # Both ends occur often: the interleavings really differ.
    assert min(ends["handed_over"], ends["skipped no_consent"]) > of_sender // LANES, ends


@pytest.mark.stack
async def test_a_stop_between_plan_and_hand_over_is_obeyed_at_every_interleaving(
    settings: Settings, pool: asyncpg.Pool
) -> None:
    async with asyncio.TaskGroup() as lanes:
        for lane in range(LANES):
            lanes.create_task(run_lane(settings, pool, lane))
