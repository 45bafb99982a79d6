"""`crm projection`: write the files of a new projection, and its migration."""

import importlib
import keyword
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from projections.catalog import LIVE
from projections.engine.projection import Projection
from services.cli.projection_files import (
    find_checkout,
    migration_files,
    projection_files,
    write_files,
)
from services.runtime.terminal import Failure, examples, note

NAME = re.compile(r"[a-z][a-z0-9_]{2,39}")

app = App(
    name="projection",
    help_epilogue=examples(
        "crm projection new lead_tour_counts --dry-run",
        "crm projection new lead_tour_counts",
        "crm projection migration lead_tour_counts",
        "crm db migrate",
        "crm replay rebuild lead_tour_counts",
    ),
    help_format="plaintext",
)


@app.command
def new(name: str, *, dry_run: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Write projections/NAME.py with an example, its test, and its line in the catalog.

    An existing projections/NAME.py is taken as it is. Run this in a checkout.
    Then change the table and the projectors, and run crm projection migration NAME.

    Parameters
    ----------
    name
        The name of the projection, its table and its module, such as `lead_tour_counts`.
    dry_run
        Print what would be written, and write nothing.
    """
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise Failure(
            f"{name!r} is no name for a projection: use 3 to 40 lower-case letters, digits and "
            "underscores, beginning with a letter"
        )
    root = find_checkout()
    files = projection_files(root, name)
    if f"projections/{name}.py" not in files:
        _load_projection(name)
    _write_or_print(root, files, dry_run=dry_run)
    if not dry_run:
        note(
            f"next: change the table and the projectors in projections/{name}.py, "
            f"then run `crm projection migration {name}`"
        )


@app.command
def migration(name: str, *, dry_run: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Write the migration that creates the projection's tables as they are defined now.

    It contains the table, its indexes, a row level security policy, the write guard and grants.

    Parameters
    ----------
    name
        The name of a projection of the catalog.
    dry_run
        Print what would be written, and write nothing.
    """
    root = find_checkout()
    projection = next((p for p in LIVE.projections if p.name == name), None)
    if projection is None:
        raise Failure(f"the catalog has no projection {name}: run `crm projection new {name}`")
    _write_or_print(root, migration_files(root, projection), dry_run=dry_run)
    if not dry_run:
        note(f"next: read the migration, then run `crm db migrate` and `crm replay rebuild {name}`")


def _load_projection(name: str) -> None:
    """Raise `Failure` unless the module projections/NAME.py defines a `projection` of that name."""
    try:
        module = importlib.import_module(f"projections.{name}")
    except Exception as error:  # a module of the user's may raise anything
        raise Failure(f"projections/{name}.py cannot be imported: {error!r}") from error
    projection = getattr(module, "projection", None)
    if not isinstance(projection, Projection) or projection.name != name:
        raise Failure(f"projections/{name}.py must define `projection = Projection({name!r}, …)`")


def _write_or_print(root: Path, files: Mapping[str, str], *, dry_run: bool) -> None:
    if dry_run:
        for path, text in files.items():
            sys.stdout.write(f"--- {path}\n{text}\n")
        return
    write_files(root, files)
    for path in files:
        note(f"wrote {path}")
