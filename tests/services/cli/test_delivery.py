"""`crm delivery`: the stop switch holds every message, and says who stopped and why."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from events.deliveries import DeliveryChannel
from services.adapters.provider import Finding, LookUp
from tests.services.cli.test_credentials import crm
from tests.services.sender.outbox import Outbox, make_outbox
from tests.services.sender.test_delivery_worker import raise_unknown


@pytest.fixture
async def outbox(
    database_url: str, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Outbox:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CRM_HOME", str(tmp_path))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    return await make_outbox(pool, datetime.now(UTC) - timedelta(hours=1))


@pytest.mark.parametrize("is_global", [True, False])
async def test_a_stop_holds_messages_and_go_lets_them_leave_at_once(
    outbox: Outbox, capsys: pytest.CaptureFixture[str], is_global: bool
) -> None:
    scope = [] if is_global else ["--property", str(outbox.property_id)]
    stop = ("delivery", "stop", "--reason", "wrong template", "--by", "ann", *scope)
    assert (await crm(capsys, *stop))[0] == 0
    assert (await crm(capsys, *stop))[0] == 1
    message = await outbox.plan(DeliveryChannel.EMAIL)
    for _ in range(2):
        outbox.pass_time(minutes=11)
        await outbox.send()
    assert await outbox.steps(message) == ["planned", "held stopped"]
    _, held = (await outbox.events(message))[-1]
    assert held["values"]["stopped"]["reason"] == "wrong template"
    assert held["values"]["stopped"]["scope"] == ("everything" if is_global else "property")
    outbox.clock.at = datetime.now(UTC)
    await pool_timers_come_at(outbox, minutes=5)
    go = ("delivery", "go", "--reason", "template corrected", "--by", "eve", *scope)
    assert (await crm(capsys, *go))[0] == 0
    assert (await crm(capsys, *go))[0] == 1
    outbox.clock.at = datetime.now(UTC)
    await outbox.send()
    assert await outbox.steps(message) == ["planned", "held stopped", "claimed", "handed_over"]
    code, out = await crm(capsys, "delivery", "stops", "--json")
    (row,) = json.loads(out)
    assert code == 0
    assert (row["stopped_by"], row["reason"]) == ("ann", "wrong template")
    assert (row["released_by"], row["release_reason"]) == ("eve", "template corrected")


async def pool_timers_come_at(outbox: Outbox, minutes: int) -> None:
    """Let the held timers come in some minutes, as if they had been held just now."""
    await outbox.world.pool.execute(
        "UPDATE crm.timers SET queue_at = now() + make_interval(mins => $1)", minutes
    )


async def test_the_stop_of_another_property_holds_nothing(
    outbox: Outbox, capsys: pytest.CaptureFixture[str]
) -> None:
    stop = ("delivery", "stop", "--reason", "x", "--property", str(uuid4()))
    assert (await crm(capsys, *stop))[0] == 0
    message = await outbox.plan(DeliveryChannel.EMAIL)
    await outbox.send()
    assert await outbox.steps(message) == ["planned", "claimed", "handed_over"]


async def test_messages_are_listed_shown_and_cancelled(
    outbox: Outbox, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = await outbox.plan(DeliveryChannel.EMAIL)
    await outbox.send(sent)
    outbox.clock.at += timedelta(seconds=1)
    later = await outbox.plan(DeliveryChannel.EMAIL, due_at=outbox.clock.now() + timedelta(days=1))
    short = str(later)[:8]
    assert (await crm(capsys, "delivery", "cancel", short, "--reason", "a mistake"))[0] == 0
    assert (await crm(capsys, "delivery", "cancel", str(sent), "--reason", "a mistake"))[0] == 1
    await outbox.world.project()
    code, out = await crm(capsys, "delivery", "list", "--json")
    assert code == 0
    assert {(row["id"], row["status"], row["reason"]) for row in json.loads(out)} == {
        (str(sent), "handed_over", None), (str(later), "skipped", "cancelled"),
    }  # fmt: skip
    for option in (("--status", "skipped"), ("--lead", str(outbox.lead_id), "--limit", "1")):
        _, out = await crm(capsys, "delivery", "list", "--json", *option)
        assert [row["id"] for row in json.loads(out)] == [str(later)]
    code, out = await crm(capsys, "delivery", "show", str(sent))
    shown = json.loads(out)
    assert (code, shown["status"]) == (0, "handed_over")
    assert [step["event"] for step in shown["history"]] == [
        "delivery.planned", "delivery.claimed", "delivery.handed_over",
    ]  # fmt: skip
    assert shown["history"][1]["values"]["no_consent"] == {"consent": "not asked"}
    assert "ada@example.com" not in out


async def test_unknown_hand_overs_are_settled_by_the_provider_or_by_a_person(
    outbox: Outbox, capsys: pytest.CaptureFixture[str]
) -> None:
    outbox.email.answer = raise_unknown
    outbox.email.name = "simulated"  # the provider of the command, which was never configured
    first, second, third = [await outbox.plan(DeliveryChannel.EMAIL) for _ in range(3)]
    outbox.email.finding = LookUp(Finding.NOT_KNOWN)
    for message in (first, second):
        await outbox.send(message)
    outbox.email.name = "smtp"
    await outbox.send(third)
    outbox.pass_time(minutes=2)
    await outbox.send()
    await outbox.world.project()
    by_hand = ("--outcome", "delivered", "--detail", "the log of the provider")
    code, _ = await crm(capsys, "delivery", "reconcile", str(second), *by_hand)
    assert code == 0
    await outbox.world.project()
    code, out = await crm(capsys, "delivery", "reconcile", "--json")
    assert code == 1
    assert {(row["id"], row["status"]) for row in json.loads(out)} == {
        (str(first), "reconciled"), (str(third), "unknown"),
    }  # fmt: skip
    assert (await crm(capsys, "delivery", "reconcile", *by_hand))[0] == 1
    await outbox.world.project()
    rows = await outbox.world.pool.fetch("SELECT id, status, detail FROM deliveries")
    assert {(row["id"], row["status"]) for row in rows} == {
        (first, "never_sent"), (second, "delivered"), (third, "unknown"),
    }  # fmt: skip


async def test_a_stop_needs_a_reason(outbox: Outbox, capsys: pytest.CaptureFixture[str]) -> None:
    assert (await crm(capsys, "delivery", "stop"))[0] == 2
    assert (await crm(capsys, "delivery", "stop", "--reason", " "))[0] == 1
    assert await outbox.world.count("crm.delivery_stops") == 0
