"""The two transactions around the hand-over of a message: its claim, and its result.

Between them the sender makes one request. Decision 24 says why the claim is an event of its own.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

import asyncpg
from tenacity import AsyncRetrying, stop_after_attempt, wait_fixed

from events.consents import ConsentChannel
from events.deliveries import DeliveryChannel, DeliveryClaimed, ReconciledOutcome
from events.log import timers
from events.log.error_text import describe_error
from events.log.timers import DueTimer
from events.record import Stream
from services.adapters.provider import OPTED_OUT, Finding, LookUp, OutgoingMessage, Provider
from services.application.command_handler import transact
from services.application.opt_outs import ContactDecision, decide_for_contact
from services.application.outgoing_messages import build_message
from services.application.scope import Scope
from services.application.sending_context import load_context
from services.application.unit_of_work import UnitOfWork
from services.deciders import hand_overs
from services.deciders.delivery_state import OPEN, Delivery, DeliveryStatus
from services.deciders.hand_overs import (
    ClaimDelivery,
    HoldDelivery,
    MarkUnknown,
    ReconcileDelivery,
    RecordRejection,
    Result,
    SkipDelivery,
)
from services.deciders.sending_rules.catalog import judge
from services.deciders.sending_rules.rule_result import Ruling

Providers = Mapping[DeliveryChannel, Provider]
FindTurn = Callable[[DeliveryChannel, UUID], datetime]
"""Returns when a provider takes a message: now, or later because of its rate limit."""
PROVIDER_RATE = "provider_rate"
PROVIDER = "provider"
"""The place of an opt-out that only the provider knows."""

LOOK_UP_SECONDS = 30.0
LOOK_UP_ATTEMPTS, LOOK_UP_PAUSE_SECONDS = 3, 0.5
LOST = "the sender ended before it knew the result"
OUTCOME_OF = {
    Finding.DELIVERED: ReconciledOutcome.DELIVERED,
    Finding.FAILED: ReconciledOutcome.FAILED,
    Finding.NEVER_RECEIVED: ReconciledOutcome.NEVER_SENT,
}


@dataclass(frozen=True, slots=True)
class ClaimedMessage:
    """A message whose hand-over this sender has claimed: it makes one request."""

    message: OutgoingMessage
    provider: Provider


@dataclass(frozen=True, slots=True)
class LostHandOver:
    """A hand-over without a result: the provider may know what became of it."""

    message: OutgoingMessage
    provider: Provider
    claimed_at: datetime
    claimed_for: str
    """Name of the provider that got the request."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class UnsentMessage:
    """A message that a rule, of the key `code`, skipped or held."""

    ruling: Ruling
    channel: DeliveryChannel
    code: str


async def claim_message(
    uow: UnitOfWork,
    timer: DueTimer,
    providers: Providers,
    lease: timedelta,
    find_turn: FindTurn,
) -> ClaimedMessage | LostHandOver | UnsentMessage | None:
    """Decide what a due message does now. Return None if it has nothing left to do."""
    delivery = await uow.load(hand_overs.decider, timer.entity_id)
    planned, now = delivery.planned, uow.scope.at
    if delivery.status is DeliveryStatus.CLAIMED:
        return await load_lost(uow, delivery, providers, timer.error)
    if planned is None or delivery.status not in OPEN:
        await timers.remove(uow.conn, [timer])
        return None
    result = judge(await load_context(uow, planned))
    if result.ruling is Ruling.SKIP:
        await uow.execute(SkipDelivery(timer.entity_id, result.code, result.detail, result.values))
        return UnsentMessage(result.ruling, planned.channel, result.code)
    if result.ruling is Ruling.HOLD:
        until = result.until or now
        if not await uow.execute(HoldDelivery(timer.entity_id, result.code, until, result.values)):
            await timers.postpone(uow.conn, timer, until)
        return UnsentMessage(result.ruling, planned.channel, result.code)
    turn = find_turn(planned.channel, timer.entity_id)
    if turn > now:
        await timers.postpone(uow.conn, timer, turn)
        return UnsentMessage(Ruling.HOLD, planned.channel, PROVIDER_RATE)
    provider = providers[planned.channel]
    await uow.execute(ClaimDelivery(timer.entity_id, provider.name, now + lease, result.values))
    return ClaimedMessage(await build_message(uow, planned, delivery.attempt + 1), provider)


async def record_result(
    conn: asyncpg.Connection, scope: Scope, message: OutgoingMessage, result: Result
) -> None:
    """Append the result of a request, in the caller's transaction.

    If the recipient has opted out at the provider, the opt-out is recorded too, for
    every lead with this contact. Raises `Conflict`.
    """

    async def work(uow: UnitOfWork) -> None:
        await uow.execute(result)

    await transact(conn, scope, work)
    is_opt_out = isinstance(result, RecordRejection) and result.code == OPTED_OUT
    if is_opt_out and message.channel is not DeliveryChannel.WEBHOOK:
        cause_id = uuid5(message.delivery_id, f"{OPTED_OUT}/{message.attempt}")
        await decide_for_contact(conn, ContactDecision(
            cause_id, scope.org_id, ConsentChannel(message.channel), message.recipient, False,
            PROVIDER, scope.at, scope.cause.actor,
        ))  # fmt: skip


async def load_lost(
    uow: UnitOfWork, delivery: Delivery, providers: Providers, error: str | None = None
) -> LostHandOver | None:
    """Return a hand-over that has no result as the provider is asked about it; None for others."""
    planned = delivery.planned
    if planned is None or delivery.status not in (DeliveryStatus.CLAIMED, DeliveryStatus.UNKNOWN):
        return None
    history = await uow.history(Stream("delivery", planned.delivery_id))
    claimed_at = [e.occurred_at for e in history if isinstance(e.event, DeliveryClaimed)]
    message = await build_message(uow, planned, delivery.attempt)
    provider = providers[planned.channel]
    claimed_for = delivery.provider or provider.name
    return LostHandOver(message, provider, claimed_at[-1], claimed_for, error)


async def ask_provider(lost: LostHandOver) -> LookUp:
    """Return what the provider knows about a hand-over.

    After an error it is asked again; if each attempt ends with one, it knows nothing.
    """
    if lost.provider.name != lost.claimed_for:
        detail = f"the settings name {lost.provider.name} now, {lost.claimed_for} got the message"
        return LookUp(Finding.NOT_KNOWN, detail=detail)
    try:
        async with asyncio.timeout(LOOK_UP_SECONDS):
            attempts = AsyncRetrying(
                stop=stop_after_attempt(LOOK_UP_ATTEMPTS),
                wait=wait_fixed(LOOK_UP_PAUSE_SECONDS),
                reraise=True,
            )
            return await attempts(lost.provider.look_up, lost.message, lost.claimed_at)
    except Exception as error:  # noqa: BLE001 — an edge: the answer is that nothing is known
        return LookUp(Finding.NOT_KNOWN, detail=describe_error(error))


async def settle_lost(uow: UnitOfWork, lost: LostHandOver, answer: LookUp) -> DeliveryStatus:
    """Append that a hand-over is unknown, and what the provider knows about it.

    Return the new status of the delivery. It is never handed over again: what the provider does
    not know yet, it may know later.
    """
    delivery_id = lost.message.delivery_id
    await uow.execute(MarkUnknown(delivery_id, lost.message.attempt, lost.error or LOST))
    delivery = await uow.load(hand_overs.decider, delivery_id)
    outcome = OUTCOME_OF.get(answer.finding)
    if delivery.status is not DeliveryStatus.UNKNOWN or outcome is None:
        return delivery.status
    await uow.execute(ReconcileDelivery(delivery_id, outcome, answer.external_id, answer.detail))
    return DeliveryStatus.RECONCILED
