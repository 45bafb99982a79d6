"""`crm contract`: what others may rely on, written down and kept."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import orjson
from cyclopts import App, Parameter
from rich.console import Console

from events.contract.check import judged
from events.contract.compare import Change, Verdict
from events.contract.describe import Contract, contract
from events.contract.files import CONTRACT, NoContract, exported, parsed

RELEASED = Path("docs/contract")

app = App(name="contract", help="The events as JSON Schema and AsyncAPI, and what may change.")


@app.command
def export(
    directory: Path = RELEASED,
    /,
    *,
    even_if_incompatible: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Write JSON Schemas, AsyncAPI document and contract: the next release's promise.

    Examples
    --------
    crm contract export
    crm contract export /tmp/contract

    Parameters
    ----------
    directory
        Where to write; what is released lies in docs/contract.
    even_if_incompatible
        Replace a released contract although the catalog breaks it.
    """
    if (directory / CONTRACT).exists() and not even_if_incompatible:
        broken = _incompatible(judged(_read(directory), contract()))
        if broken:
            _list(broken)
            _fail(
                f"{directory} holds a contract that this catalog breaks: give the events new "
                "versions with upcasts, or break it with --even-if-incompatible"
            )
    files = exported()
    for path, content in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    Console(highlight=False, soft_wrap=True).print(f"{len(files)} files written to {directory}")


@app.command
def check(
    directory: Path = RELEASED,
    /,
    *,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Say whether today's catalog keeps the last released contract; exit 1 where it does not.

    Examples
    --------
    crm contract check
    crm contract check --json

    Parameters
    ----------
    directory
        The released contract.
    json
        For machines: {compatible, released, changes: [{verdict, where, what}]}.
    """
    found = judged(_read(directory), contract())
    broken = _incompatible(found)
    released = _is_released(directory)
    if json:
        said = {
            "compatible": not broken,
            "released": released,
            "changes": [change._asdict() for change in found],
        }
        sys.stdout.write(orjson.dumps(said, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        _list(found)
        _conclude(found, released=released)
    if broken:
        _fail(
            f"{len(broken)} changes break the contract in {directory}: "
            "give the events new versions with upcasts, or take the changes back"
        )


def _conclude(found: list[Change], *, released: bool) -> None:
    out = Console(highlight=False, soft_wrap=True)
    if _incompatible(found):
        return
    if released:
        out.print("The catalog is what was released.")
    else:
        what = f"{len(found)} compatible changes" if found else "New wording"
        out.print(f"{what}, not yet released: run `crm contract export` and commit the result.")


def _list(found: list[Change]) -> None:
    out = Console(highlight=False, markup=False, soft_wrap=True)
    for change in found:
        out.print(f"{change.verdict.value:<12}  {change.where}: {change.what}")


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
        _fail(f"no released contract in {directory}: run `crm contract export {directory}` first")
    except NoContract as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    sys.stderr.write(f"crm: {message}\n")
    raise SystemExit(1)
