"""`crm log`: operate the event log: rotate the key of its records, begin a generation."""

import asyncio
from datetime import timedelta
from typing import Annotated
from uuid import UUID

from cyclopts import App, Parameter

from events.log.generation import begin_generation as begin
from events.log.secret_keys import load_secret_keys, rotate_secret_key
from services.relay.history import History, read_history
from services.runtime.database import connect
from services.runtime.database_settings import DatabaseSettings
from services.runtime.settings import Settings
from services.runtime.terminal import Failure, examples, note, print_json, print_rows

app = App(
    name="log",
    help_epilogue=examples(
        "crm log rotate-digest-key",
        "crm log rotate-digest-key --overlap 7d",
        "crm log rotate-digest-key --overlap 0s",
        "crm log begin-generation",
        "crm log begin-generation --yes",
    ),
    help_format="plaintext",
)


@app.command
def rotate_digest_key(*, overlap: timedelta = timedelta(days=1), json: bool = False) -> None:
    """Make a new key for the digest of records; the relay signs with it from now on.

    Parameters
    ----------
    overlap
        The time for which records with the previous key are accepted, such as 12h or 7d. After it,
        the events of older records are read from the log. 0s if the previous key is known to
        somebody else.
    json
        Print one JSON document.
    """
    if overlap < timedelta():
        raise Failure(f"--overlap {overlap} is negative: give 0s or more")
    key_id, *former = asyncio.run(_rotate(overlap))
    if json:
        print_json({"key_id": key_id, "former_key_ids": former})
    else:
        note(f"key {key_id} signs from now on; former keys that are still accepted: {len(former)}")


@app.command
def begin_generation(
    *,
    yes: Annotated[bool, Parameter(negative="")] = False,
    generation: int | None = None,
    json: bool = False,
) -> None:
    """Begin a new generation of the log, after it was restored from a backup or lost events.

    The relay then numbers events again, and publishes the whole log with the new generation. Events
    that only the bus has are given up. Afterwards run `crm replay rebuild --all`.

    Parameters
    ----------
    yes
        Begin the generation; without this option, only compare the bus with the log.
    generation
        The number of the new generation, by default the next one after those of the log and the
        bus. Give a higher number if a backup from before an earlier generation was restored.
    json
        Print one JSON document.
    """
    history, number = asyncio.run(_begin(generation, write=yes))
    row = {
        "log_id": history.state.id,
        "generation": history.state.generation,
        "position": history.state.position,
        "bus_generation": history.tail.generation,
        "bus_position": history.tail.position,
        "history_lost": history.is_lost,
        "next_generation": number,
        "begun": yes,
    }
    print_json(row) if json else print_rows([row], list(row))
    if yes:
        note(f"generation {number} has begun: run `crm replay rebuild --all`")
    else:
        note(f"nothing was changed: give --yes to begin generation {number}")


async def _begin(generation: int | None, *, write: bool) -> tuple[History, int]:
    """Return the history before the change, and the number of the next generation."""
    settings = Settings()
    conn = await connect(settings, "crm log")
    try:
        history = await read_history(conn, settings)
        number = history.next_generation if generation is None else generation
        if write:
            try:
                await begin(conn, number)
            except ValueError as error:
                raise Failure(str(error)) from None
        return history, number
    finally:
        await conn.close()


async def _rotate(overlap: timedelta) -> list[UUID]:
    """Return the ids of the accepted keys, the new one first."""
    conn = await connect(DatabaseSettings(), "crm log")
    try:
        await rotate_secret_key(conn, "record_digest", overlap)
        return [key.id for key in await load_secret_keys(conn, "record_digest")]
    finally:
        await conn.close()
