"""`crm contract`: export the events as JSON Schema and AsyncAPI, and check compatibility."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from events.contract.check import judge_changes
from events.contract.compare import Change, Verdict
from events.contract.describe import Contract, contract
from events.contract.files import CONTRACT, InvalidContract, export_files, parse_contract
from services.runtime.terminal import Failure, examples, note, print_json, print_rows

RELEASED = Path("docs/contract")

app = App(
    name="contract",
    help_epilogue=examples(
        "crm contract check",
        "crm contract check --json",
        "crm contract export",
        "crm contract export /tmp/contract",
    ),
    help_format="plaintext",
)


@app.command
def export(
    directory: Path = RELEASED,
    /,
    *,
    even_if_incompatible: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Write the contract, the AsyncAPI document and the schemas for the next release.

    A released contract that the catalog breaks is replaced only with `--even-if-incompatible`.
    """
    if (directory / CONTRACT).exists() and not even_if_incompatible:
        broken = _incompatible(judge_changes(_read(directory), contract()))
        if broken:
            _list(broken)
            raise Failure(
                f"the catalog breaks the contract in {directory}: give the events new versions "
                "with upcasts, or replace the contract with --even-if-incompatible"
            )
    files = export_files()
    for path, content in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    note(f"{len(files)} files written to {directory}")


@app.command
def check(
    directory: Path = RELEASED,
    /,
    *,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Compare the catalog with the released contract. Exit code 1 if it is broken.

    With --json: {compatible, released, changes: [{verdict, where, what}]}.
    """
    all_changes = judge_changes(_read(directory), contract())
    broken, released = _incompatible(all_changes), _is_released(directory)
    if json:
        changes = [change._asdict() for change in all_changes]
        print_json({"compatible": not broken, "released": released, "changes": changes})
    else:
        _list(all_changes)
    if broken:
        raise Failure(
            f"{len(broken)} of these changes break the contract in {directory}: "
            "give the events new versions with upcasts, or undo the changes"
        )
    if released:
        note("the catalog equals the released contract")
    else:
        what = f"{len(all_changes)} compatible changes" if all_changes else "changed descriptions"
        note(f"{what}, not released yet: run `crm contract export` and commit the result")


def _list(changes: list[Change]) -> None:
    rows = [change._asdict() for change in changes]
    print_rows(rows, ["verdict", "where", "what"], empty="no changes")


def _incompatible(changes: list[Change]) -> list[Change]:
    return [change for change in changes if change.verdict is Verdict.INCOMPATIBLE]


def _is_released(directory: Path) -> bool:
    return all(
        (directory / path).exists() and (directory / path).read_bytes() == content
        for path, content in export_files().items()
    )


def _read(directory: Path) -> Contract:
    try:
        return parse_contract((directory / CONTRACT).read_bytes())
    except FileNotFoundError:
        raise Failure(
            f"there is no released contract in {directory}: run `crm contract export {directory}`"
        ) from None
    except InvalidContract as error:
        raise Failure(str(error)) from error
