"""`crm events`: follow the events of an organisation with their personal values in clear."""

import asyncio
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from cyclopts import App, Parameter

from events.catalog import CATALOG
from events.keys.errors import DataKeyMissing, MasterKeyMissing
from events.keys.master import WrongMasterKey
from events.log.erasures import ErasuresLost
from projections.engine.checkpoints import FencingError
from services.event_follower import follow as follower
from services.event_follower.subscription import (
    NAME_PATTERN,
    GenerationEnded,
    Subscription,
    TypesChanged,
)
from services.runtime.database import CONNECTION_ERRORS
from services.runtime.process import UNREACHABLE, WRONG_SETTINGS, stop_event
from services.runtime.reachability import UnreachableServer
from services.runtime.settings import Settings
from services.runtime.terminal import Failure, examples, note

FAILED, KEY_MISSING, GENERATION_ENDED, TAKEN_OVER, OUTPUT_CLOSED = 1, 4, 5, 6, 7
EXIT_CODES: dict[type[Exception], int] = {
    WrongMasterKey: WRONG_SETTINGS,
    MasterKeyMissing: WRONG_SETTINGS,
    ErasuresLost: WRONG_SETTINGS,
    DataKeyMissing: KEY_MISSING,
    GenerationEnded: GENERATION_ENDED,
    TypesChanged: FAILED,
    FencingError: TAKEN_OVER,
    BrokenPipeError: OUTPUT_CLOSED,
    UnreachableServer: UNREACHABLE,
    **dict.fromkeys(CONNECTION_ERRORS, UNREACHABLE),
}
"""Error → exit code; the first class that fits counts."""

Org = Annotated[UUID, Parameter(help="The organisation.")]
Name = Annotated[
    str, Parameter(help="The name of the consumer. Each name has a position of its own.")
]
Properties = Annotated[
    Sequence[UUID],
    Parameter(name="--property", help="Only this property; repeat it for more. Default: all."),
]

app = App(
    name="events",
    help_epilogue=examples(
        "crm events follow ORG_ID --name warehouse --from start | load-into-warehouse",
        "crm events follow ORG_ID --name warehouse --types lead.captured,tour.scheduled",
        "crm events follow ORG_ID --name nightly --property PROPERTY_ID --once > events.jsonl",
        "crm events forget ORG_ID --name warehouse",
    ),
    help_format="plaintext",
)


@app.command
def follow(
    org_id: Org,
    *,
    name: Name = "default",
    property_: Properties = (),
    types: Annotated[
        str, Parameter(help="Only these types, separated by commas; always the same for a name.")
    ] = "",
    from_: Annotated[
        Literal["head", "start"],
        Parameter(name="--from", help="Where a new name begins: at new events, or at the first."),
    ] = "head",
    once: Annotated[
        bool, Parameter(negative="", help="End when all present events are written.")
    ] = False,
) -> int:
    """Write one JSON object per event to stdout: the CloudEvent with `data` in clear.

    It needs the core's access and its master key. Only records that the core signed are believed.
    Each event is written at least once: after a crash some of the last ones are written again.
    Each read of personal values is recorded: see `crm api-key reads`.

    Exit codes: 0 stopped by SIGTERM or Ctrl-C, or done with --once; 1 other --types than before,
    or another failure; 2 wrong settings or usage; 3 a server cannot be reached; 4 a data key is
    missing; 5 the log has another generation; 6 another process follows with this name; 7 the
    reader of the output has ended.
    """
    subscription = _subscription(name, org_id, property_, types)
    try:
        refused = asyncio.run(_follow(subscription, from_head=from_ == "head", once=once))
    except tuple(EXIT_CODES) as error:
        code = next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))
        return _report(error, code)
    if refused:
        note(f"{refused} records on the topic were not of the relay, and were left out")
    return 0


@app.command
def forget(org_id: Org, *, name: Name = "default", property_: Properties = ()) -> None:
    """Delete the position of a name: `crm events follow` then begins as with a new name."""
    subscription = _subscription(name, org_id, property_, "")
    asyncio.run(follower.forget(Settings(), subscription))
    note(f"the position of {name} is deleted")


async def _follow(subscription: Subscription, *, from_head: bool, once: bool) -> int:
    return await follower.follow(
        Settings(), subscription, _write, stop_event(), from_head=from_head, once=once
    )


def _write(lines: bytes) -> None:
    sys.stdout.buffer.write(lines)
    sys.stdout.buffer.flush()


def _report(error: BaseException, code: int) -> int:
    """Write the reason on stderr, in one line, and return the exit code."""
    text = " ".join(str(error).split()) or type(error).__name__
    if code == TAKEN_OVER:
        text = "another process follows with this name and has taken over"
    elif code == OUTPUT_CLOSED:
        text = "the reader of the output has ended; the next run continues at its position"
        # The interpreter would flush the closed pipe again at its end, and complain.
        sys.stdout = sys.stderr
    sys.stderr.write(f"crm: {text}\n")
    return code


def _subscription(
    name: str, org_id: UUID, property_ids: Sequence[UUID], types: str
) -> Subscription:
    if not re.fullmatch(NAME_PATTERN, name):
        raise Failure(
            f"--name {name!r}: use 1 to 40 lower-case letters, digits and hyphens, beginning with "
            "a letter or a digit"
        )
    chosen = frozenset(filter(None, types.split(",")))
    if unknown := chosen - CATALOG.keys():
        raise Failure(f"--types: there is no event type {min(unknown)}: see docs/contract/schemas")
    return Subscription(name, org_id, frozenset(property_ids), chosen)
