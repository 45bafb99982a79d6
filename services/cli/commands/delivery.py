"""`crm delivery`: list messages, cancel them, settle unknown hand-overs, and stop everything."""

import asyncio
import getpass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from cyclopts import App

from events.deliveries import ReconciledOutcome
from services.application.stop_switches import list_stops, release_deliveries, stop_deliveries
from services.cli.deliveries import (
    cancel_delivery,
    list_deliveries,
    load_delivery,
    reconcile_deliveries,
)
from services.cli.email_reports import STANDARD_INPUT, receive_reports
from services.deciders.decider import Refused
from services.runtime.database import connect
from services.runtime.database_settings import DatabaseSettings
from services.runtime.terminal import Failure, examples, note, print_json, print_rows

COLUMNS = [
    "id", "property_id", "lead_id", "channel", "purpose", "status", "reason", "detail", "due_at",
    "held_until", "changed_at",
]  # fmt: skip
RECONCILE_COLUMNS = ["id", "channel", "status", "detail"]
REPORT_COLUMNS = ["file", "delivery", "report"]
STOP_COLUMNS = [
    "property_id", "stopped_at", "stopped_by", "reason", "released_at", "released_by",
    "release_reason",
]  # fmt: skip

app = App(
    name="delivery",
    help_epilogue=examples(
        "crm delivery list --status held",
        "crm delivery show 0192f0c1-…",
        "crm delivery cancel 0192f0c1-… --reason 'sent by mistake'",
        "crm delivery reconcile",
        "crm delivery reconcile 0192f0c1-… --outcome delivered --detail 'log of the provider'",
        "crm delivery report ~/Maildir/new/*",
        "crm delivery stop --reason 'wrong template'",
        "crm delivery go --reason 'template corrected'",
    ),
    help_format="plaintext",
)


@app.command(name="list")
def list_(
    *,
    status: str | None = None,
    property: UUID | None = None,  # noqa: A002
    lead: UUID | None = None,
    limit: int = 100,
    json: bool = False,
) -> None:
    """List messages, the newest first, with their status and its reason.

    Parameters
    ----------
    status
        Only this status, such as held, skipped, failed, unknown or simulated.
    property
        Only the messages of this property.
    lead
        Only the messages to this lead.
    limit
        The maximum number of rows.
    json
        Print a JSON list.
    """
    rows = asyncio.run(list_deliveries(status, property, lead, limit))
    print_rows(rows, COLUMNS, as_json=json, empty="there are no such messages")


@app.command
def show(delivery: str) -> None:
    """Print one message as JSON, with what the rules compared and with its history.

    Parameters
    ----------
    delivery
        The id of the message, or its beginning.
    """
    print_json(asyncio.run(load_delivery(delivery)))


@app.command
def cancel(delivery: str, *, reason: str) -> None:
    """Cancel a message that has not left.

    Parameters
    ----------
    delivery
        The id of the message, or its beginning.
    reason
        Why; it is kept with the message.
    """
    _require(reason)
    delivery_id = asyncio.run(cancel_delivery(delivery, reason))
    note(f"message {delivery_id} is cancelled")


@app.command
def reconcile(
    delivery: str | None = None,
    *,
    outcome: ReconciledOutcome | None = None,
    detail: str | None = None,
    limit: int = 1_000,
    json: bool = False,
) -> int:
    """Settle hand-overs whose result is unknown. Exit code 1 if some stay unknown.

    Without an outcome the providers are asked. They are asked only; nothing is sent.

    Parameters
    ----------
    delivery
        The id of the message, or its beginning; without it, all unknown ones.
    outcome
        What a person found out about this message.
    detail
        How it was found out.
    limit
        The maximum number of messages.
    json
        Print a JSON list.
    """
    if outcome is not None and delivery is None:
        raise Failure("an outcome is for one message: give its id")
    rows = asyncio.run(reconcile_deliveries(delivery, outcome, detail, limit))
    print_rows(rows, RECONCILE_COLUMNS, as_json=json, empty="no hand-over is unknown")
    return 1 if any(row["status"] == "unknown" for row in rows) else 0


@app.command
def report(*files: Path, json: bool = False) -> None:
    """Read reports about e-mails: bounces and complaints, one e-mail in each file.

    A bounce for an address that does not exist, and a complaint, end the e-mails to the address.
    Other e-mails are ignored. A mail server can pass the e-mails to the sender's address on, as in
    the alias `bounces: "|crm delivery report"`.

    Parameters
    ----------
    files
        The files, such as those of a Maildir; without them, or for -, the standard input.
    json
        Print a JSON list.
    """
    rows = asyncio.run(receive_reports(files or (STANDARD_INPUT,)))
    print_rows(rows, REPORT_COLUMNS, as_json=json, empty="there is no file")


@app.command
def stop(*, reason: str, property: UUID | None = None, by: str | None = None) -> None:  # noqa: A002
    """Stop all messages, or those of one property, at once. They are held, not lost.

    Parameters
    ----------
    reason
        Why; it is kept with the stop.
    property
        The property; without it, everything stops.
    by
        Who stops; by default the user of this machine.
    """
    asyncio.run(_switch(is_stop=True, property_id=property, by=by, reason=reason))
    note("messages are held from now on: `crm delivery go` releases them")


@app.command
def go(*, reason: str, property: UUID | None = None, by: str | None = None) -> None:  # noqa: A002
    """End a stop: the held messages are asked again, and leave if the rules allow it.

    Parameters
    ----------
    reason
        Why; it is kept with the stop.
    property
        The property of the stop; without it, the stop of everything.
    by
        Who ends the stop; by default the user of this machine.
    """
    asyncio.run(_switch(is_stop=False, property_id=property, by=by, reason=reason))
    note("messages leave again")


@app.command
def stops(*, limit: int = 100, json: bool = False) -> None:
    """List the stops, those in force first, with who and why.

    Parameters
    ----------
    limit
        The maximum number of rows.
    json
        Print a JSON list.
    """
    rows = asyncio.run(_list_stops(limit))
    print_rows(rows, STOP_COLUMNS, as_json=json, empty="nothing was stopped")


def _require(reason: str) -> None:
    if not reason.strip():
        raise Failure("the reason is empty: say why, it is kept")


async def _switch(*, is_stop: bool, property_id: UUID | None, by: str | None, reason: str) -> None:
    _require(reason)
    conn = await connect(DatabaseSettings(), "crm delivery")
    change = stop_deliveries if is_stop else release_deliveries
    try:
        await change(conn, property_id, datetime.now(UTC), by or getpass.getuser(), reason)
    except Refused as refused:
        raise Failure(refused.message) from None
    finally:
        await conn.close()


async def _list_stops(limit: int) -> list[dict[str, object]]:
    conn = await connect(DatabaseSettings(), "crm delivery")
    try:
        return await list_stops(conn, limit)
    finally:
        await conn.close()
