"""`crm privacy`: requests of persons about their data."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Annotated
from uuid import UUID

from cyclopts import App, Parameter

from events.privacy import ExportFormat
from services.application import privacy as use_cases
from services.application.restrictions import lift_restriction, restrict
from services.application.unit_of_work import UnitOfWork
from services.cli import erasure_commands
from services.cli.master_key_rotation import rotate_master_key
from services.cli.person_export import export_person
from services.cli.privacy import CHANGES, Work, change_person, read_rectification
from services.runtime.database_settings import DatabaseSettings
from services.runtime.terminal import examples, note, print_rows

DryRun = Annotated[bool, Parameter(negative="")]

app = App(
    name="privacy",
    help_epilogue=examples(
        "crm privacy export LEAD_ID --out person.json",
        "crm privacy export LEAD_ID --out person.html --format html",
        "crm privacy rectify LEAD_ID --set email=ada@example.com --reason 'a typing error'",
        "crm privacy restrict LEAD_ID --reason 'disputes the phone number' --dry-run",
        "crm privacy erase LEAD_ID --reason 'request of 2026-11-20'",
        "crm privacy erase LEAD_ID --reason 'request of 2026-11-20' --yes",
        "crm privacy certificate LEAD_ID --out certificate.json",
        "crm privacy certificate --check certificate.json",
        "crm privacy list",
        "crm privacy reapply",
        "crm privacy reapply certificates/*.json",
        "crm privacy unrestrict LEAD_ID --reason 'the number was corrected'",
        "crm privacy rotate-master-key",
    ),
    help_format="plaintext",
)
app.command(erasure_commands.erase)
app.command(erasure_commands.certificate)
app.command(erasure_commands.list_, name="list")
app.command(erasure_commands.reapply)


@app.command(name="restrict")
def restrict_(lead_id: UUID, *, reason: str, dry_run: DryRun = False, json: bool = False) -> None:
    """Stop scoring a person, enrolling it in workflows and sending it messages; stop its runs.

    The person stays visible, with a mark. The output lists the events; none if nothing changes.

    Parameters
    ----------
    lead_id
        Any lead of the person, merged or not.
    dry_run
        Only list the events.
    """
    work = partial(restrict, lead_id=lead_id, reason=reason, by=None)
    _change(lead_id, work, dry_run=dry_run, json=json)


@app.command
def unrestrict(lead_id: UUID, *, reason: str, dry_run: DryRun = False, json: bool = False) -> None:
    """Score a person again and allow messages to it. Stopped runs stay stopped.

    Parameters
    ----------
    lead_id
        Any lead of the person, merged or not.
    dry_run
        Only list the events.
    """
    work = partial(lift_restriction, lead_id=lead_id, reason=reason, by=None)
    _change(lead_id, work, dry_run=dry_run, json=json)


@app.command
def rectify(
    lead_id: UUID,
    *,
    set: tuple[str, ...],  # noqa: A002
    reason: str,
    dry_run: DryRun = False,
    json: bool = False,
) -> None:
    """Correct wrong details of a person. The wrong values stay in old events, as history.

    Parameters
    ----------
    lead_id
        Any lead of the person, merged or not.
    set
        NAME=VALUE, once for each detail: source, first_name, last_name, email, phone,
        move_in_date, bedrooms or notes. An empty value clears the detail.
    dry_run
        Only list the events.
    """
    request = read_rectification(set, reason)

    async def work(uow: UnitOfWork) -> None:
        changes = request.changes(await uow.load_property())
        await use_cases.rectify(uow, lead_id, changes, reason=reason, by=None)

    _change(lead_id, work, dry_run=dry_run, json=json)


@app.command
def export(
    lead_id: UUID,
    *,
    out: Path,
    format: ExportFormat = ExportFormat.JSON,  # noqa: A002
    reason: str | None = None,
) -> None:
    """Write all rows of a person to a file, and record the export.

    Parameters
    ----------
    lead_id
        Any lead of the person, merged or not.
    out
        The file. It must not exist, and only its owner can read it.
    """
    asyncio.run(export_person(lead_id, out, format, reason))
    note(f"written: {out}")


@app.command(name="rotate-master-key")
def rotate_master_key_() -> None:
    """Encrypt all data keys with the first key of CRM_MASTER_KEY, while everything runs.

    First write the new key behind the old one in the settings of every process and restart them,
    then before the old one, and restart them again. The old key can be removed when this command
    has ended. Interrupted, it can be repeated.
    """
    count = asyncio.run(rotate_master_key(DatabaseSettings()))
    note(f"{count} keys are now encrypted with the first master key: remove the others")


def _change(lead_id: UUID, work: Work, *, dry_run: bool, json: bool) -> None:
    changes = asyncio.run(change_person(lead_id, work, is_preview=dry_run))
    print_rows(changes, CHANGES, as_json=json)
