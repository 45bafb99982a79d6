"""`crm staged`: changes of the host's rows that the log refuses: list, retry or discard them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from cyclopts import App

from events.log import refused_changes
from events.log.connection import Connection
from services.runtime.database import connect
from services.runtime.database_settings import DatabaseSettings
from services.runtime.terminal import Failure, examples, note, print_rows

T = TypeVar("T")
COLUMNS = ["seq", "staged_at", "event_type", "entity_id", "behind", "problem"]

app = App(
    name="staged",
    help_epilogue=examples(
        "crm staged list", "crm staged retry", "crm staged retry 17", "crm staged discard 17"
    ),
    help_format="plaintext",
)


@app.command(name="list")
def list_(*, json: bool = False) -> None:
    """List the refused changes, and how many later changes of the same row wait behind each.

    Parameters
    ----------
    json
        Print a JSON list.
    """
    rows = asyncio.run(_with_connection(refused_changes.list_refused))
    print_rows(rows, COLUMNS, as_json=json, empty="no refused changes")


@app.command
def retry(*seq: int) -> None:
    """Try refused changes again now, after what refuses them was repaired.

    Parameters
    ----------
    seq
        Their numbers; all refused changes if omitted.
    """
    tried = asyncio.run(
        _with_connection(lambda conn: refused_changes.retry_refused(conn, seq or None))
    )
    _require_found(seq, tried)
    note(f"{len(tried)} changes are tried again: see `crm staged list`")


@app.command
def discard(*seq: int) -> None:
    """Delete refused changes for good; what waits behind them goes on.

    The log and the tables of the core then never have this change of the host's row.

    Parameters
    ----------
    seq
        Their numbers.
    """
    if not seq:
        raise Failure("give the number of a refused change: see `crm staged list`")
    discarded = asyncio.run(
        _with_connection(lambda conn: refused_changes.discard_refused(conn, seq))
    )
    _require_found(seq, discarded)
    note(f"{len(discarded)} changes were discarded")


def _require_found(numbers: Sequence[int], found: Sequence[int]) -> None:
    if missing := sorted(set(numbers) - set(found)):
        raise Failure(f"no refused change has the number {', '.join(map(str, missing))}")


async def _with_connection(work: Callable[[Connection], Awaitable[T]]) -> T:
    conn = await connect(DatabaseSettings(), "crm staged")
    try:
        return await work(conn)
    finally:
        await conn.close()
