"""`crm contract`: the events as JSON Schema and AsyncAPI, held to what was released."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from events.contract.check import judged
from events.contract.compare import Change, Verdict
from events.contract.describe import Contract, contract
from events.contract.files import CONTRACT, NoContract, exported, parsed
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
    """Write contract, AsyncAPI document and JSON Schemas: the next release's promise.

    Refuses to replace a released contract that the catalog breaks, unless told so.
    """
    if (directory / CONTRACT).exists() and not even_if_incompatible:
        broken = _incompatible(judged(_read(directory), contract()))
        if broken:
            _list(broken)
            raise Failure(
                f"{directory} holds a contract that this catalog breaks: give the events new "
                "versions with upcasts, or break it with --even-if-incompatible"
            )
    files = exported()
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
    """Say whether today's catalog keeps the last released contract; exit code 1 where not.

    With --json: {compatible, released, changes: [{verdict, where, what}]}.
    """
    found = judged(_read(directory), contract())
    broken, released = _incompatible(found), _is_released(directory)
    if json:
        changes = [change._asdict() for change in found]
        print_json({"compatible": not broken, "released": released, "changes": changes})
    else:
        _list(found)
    if broken:
        raise Failure(
            f"{len(broken)} of these changes break the contract in {directory}: "
            "give the events new versions with upcasts, or take the changes back"
        )
    if released:
        note("the catalog is what was released")
    else:
        what = f"{len(found)} compatible changes" if found else "new wording"
        note(f"{what}, not yet released: run `crm contract export` and commit the result")


def _list(found: list[Change]) -> None:
    rows = [change._asdict() for change in found]
    print_rows(rows, ["verdict", "where", "what"], empty="no changes")


def _incompatible(found: list[Change]) -> list[Change]:
    return [change for change in found if change.verdict is Verdict.INCOMPATIBLE]


def _is_released(directory: Path) -> bool:
    return all(
        (directory / path).exists() and (directory / path).read_bytes() == content
        for path, content in exported().items()
    )


def _read(directory: Path) -> Contract:
    try:
        return parsed((directory / CONTRACT).read_bytes())
    except FileNotFoundError:
        raise Failure(
            f"no released contract in {directory}: run `crm contract export {directory}` first"
        ) from None
    except NoContract as error:
        raise Failure(str(error)) from error
