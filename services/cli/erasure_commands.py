"""The commands of `crm privacy` about erasures."""

import asyncio
from pathlib import Path
from typing import Annotated
from uuid import UUID

import orjson
from cyclopts import Parameter

from services.cli.certificates import check_file, list_rows, write_certificate
from services.cli.certificates import reapply as reapply_
from services.cli.erasure import erase_person, erasure_row, preview_erasure
from services.cli.privacy import CHANGES
from services.privacy.erasures import ErasureState
from services.runtime.terminal import Failure, note, print_json, print_line, print_rows

Switch = Annotated[bool, Parameter(negative="")]
ERASURES = ["lead_id", "state", "erased_at", "subjects", "keys_left"]


def erase(
    lead_id: UUID,
    *,
    reason: str,
    dry_run: Switch = False,
    yes: Switch = False,
    wait: float = 60.0,
    json: bool = False,
) -> int:
    """Forget a person for good: its leads, sessions, conversations and messages.

    Rows keep their ids, times, types and scores; names, addresses and texts are erased. Runs stop,
    and planned messages are not sent. An opt-out remains in force for the same address. When all
    tables contain the erasure, copies outside of the log are erased and the keys destroyed.

    Parameters
    ----------
    lead_id
        Any lead of the person, merged or not.
    reason
        Kept as evidence: write no personal data in it.
    dry_run
        Only show what would go.
    yes
        Erase the person; without this option, only show what would go.
    wait
        Seconds to wait until the erasure is complete. Otherwise the timers process completes it.
    """
    if dry_run or not yes:
        preview = asyncio.run(preview_erasure(lead_id, reason))
        if json:
            print_json(preview._asdict())
        else:
            print_rows(preview.events, CHANGES)
            print_rows(preview.rows, ["table", "rows", "with_personal_values"])
        note("nothing was erased: give --yes to erase the person for good")
        return 0
    erasures = asyncio.run(erase_person(lead_id, reason, wait))
    print_rows([erasure_row(erasure) for erasure in erasures], ERASURES, as_json=json)
    if any(erasure.state is not ErasureState.COMPLETED for erasure in erasures):
        note("not complete yet: the timers process completes it when all tables contain it")
        return 1
    return 0


def certificate(
    lead_id: UUID | None = None, *, out: Path | None = None, check: Path | None = None
) -> int:
    """Write the signed certificate of an erasure, or look again at what one names.

    The exit code is 1 if a personal value of the person is readable, or if the payload of an event
    was changed.

    Parameters
    ----------
    lead_id
        Any lead of the erased person.
    out
        The file to write; the document is printed if omitted.
    check
        A certificate of this installation: its signature, and every place that it names.
    """
    if check is not None:
        problems = asyncio.run(check_file(check))
        print_rows(problems, ["place", "problem"], empty="no place has a problem")
        note(
            "something is readable again or was changed"
            if problems
            else "valid, and nothing is readable"
        )
        return int(bool(problems))
    if lead_id is None:
        raise Failure("give the id of a lead, or --check FILE")
    document = asyncio.run(write_certificate(lead_id))
    for event_id in [key for place in document["looked_at"] for key in place["changed"]]:
        note(f"the payload of event {event_id} was changed: nobody can say what it contains")
    if out is None:
        print_json(document)
    else:
        out.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n")
        note(f"written: {out}")
    return 0 if document["is_unreadable"] else 1


def list_(*, org: UUID | None = None, json: bool = False) -> None:
    """List the erasures with their state: appended, folded or completed.

    Parameters
    ----------
    org
        The id of one organisation; all organisations if omitted.
    json
        Print a JSON list.
    """
    print_rows(asyncio.run(list_rows(org)), ERASURES, as_json=json)


def reapply(*certificates: Path) -> None:
    """Append the erasures again that the log lacks after a restore from an older backup.

    The key store says which persons are erased. If it was restored too, kept certificates do.
    Nothing is served or sent before the tables contain the erasures.

    Parameters
    ----------
    certificates
        Files that `crm privacy certificate` has written.
    """
    leads = asyncio.run(reapply_(certificates))
    for lead_id in leads:
        print_line(str(lead_id))
    note(f"{len(leads)} erasures were applied again: start the relay, the projector and the timers")
