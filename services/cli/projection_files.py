"""The files that a new projection needs, as texts by their paths in the checkout."""

import re
from collections.abc import Mapping
from pathlib import Path

import projections
from projections.engine.projection import Projection
from services.cli import projection_templates as templates
from services.cli.projection_migration import downgrade_sql, upgrade_sql
from services.runtime.migrations import current_heads
from services.runtime.terminal import Failure

CATALOG = "projections/catalog.py"

_IMPORT_LIST = re.compile(
    r"^from projections import \(\n(?P<names>(?:    \w+,\n)+)\)", re.MULTILINE
)
_LAST_PROJECTION = re.compile(r"^( +)\w+\.projection,\n(?! +\w+\.projection,)", re.MULTILINE)


def find_checkout() -> Path:
    """Return the root of the checkout; raise `Failure` outside of it or in an installed wheel."""
    root = Path(projections.__file__).resolve().parents[1]
    if not (root / "pyproject.toml").is_file() or not (root / "tests").is_dir():
        raise Failure(
            f"{root} is an installed package: clone the repository and run crm from the clone"
        )
    if not Path.cwd().resolve().is_relative_to(root):
        raise Failure(
            f"this crm belongs to the checkout {root}: change to that directory, or use the crm "
            "that is installed from the current one"
        )
    return root


def projection_files(root: Path, name: str) -> dict[str, str]:
    """Return the projection with an example, its test, and the catalog with its line.

    An existing projection file is taken as it is. Raise `Failure` if the catalog has it already.
    """
    catalog = (root / CATALOG).read_text(encoding="utf-8")
    if f" {name}.projection," in catalog:
        raise Failure(
            f"{CATALOG} has {name} already; for its migration run `crm projection migration {name}`"
        )
    module, test = f"projections/{name}.py", f"tests/projections/test_{name}.py"
    exists = (root / module).exists()
    files = {} if exists else {module: templates.PROJECTION}
    if not (root / test).exists():
        files[test] = templates.TEST_OF_EXISTING_FILE if exists else templates.TEST
    files = {path: text.replace("NAME", name) for path, text in files.items()}
    return {**files, CATALOG: _with_projection(catalog, name)}


def migration_files(root: Path, projection: Projection) -> dict[str, str]:
    """Return the next migration, which creates the projection's tables as they are defined now.

    Raise `Failure` if a migration creates the table already.
    """
    table, name = projection.table.table.name, projection.name
    creates = re.compile(rf"CREATE TABLE (IF NOT EXISTS )?(\w+\.)?{table} \(")
    for path in sorted((root / "migrations/sql").glob("*.sql")):
        if creates.search(path.read_text(encoding="utf-8")):
            raise Failure(
                f"{path.relative_to(root)} creates the table {table} already; if it was never "
                "applied, delete its three files and run the command again, otherwise write a "
                "migration that alters the table"
            )
    heads = current_heads("postgresql://")
    if len(heads) != 1:
        raise Failure(f"there is no single newest migration but {', '.join(heads)}: join them")
    number = f"{int(heads[0]) + 1:04}"
    revision = templates.REVISION.replace("REVISION", number).replace("PREVIOUS", heads[0])
    return {
        f"migrations/sql/{number}_{name}.sql": upgrade_sql(projection),
        f"migrations/sql/{number}_{name}.down.sql": downgrade_sql(projection),
        f"migrations/versions/{number}_{name}.py": revision.replace("NAME", name),
    }


def write_files(root: Path, files: Mapping[str, str]) -> None:
    """Write the files; raise `Failure`, before anything is written, if a new one exists already."""
    for path in files:
        if path != CATALOG and (root / path).exists():
            raise Failure(f"{path} exists already: delete it or choose another name")
    for path, text in files.items():
        (root / path).write_text(text, encoding="utf-8")


def _with_projection(catalog: str, name: str) -> str:
    """Add the import and, at the end of the group, the projection.

    The end is right for a new table: parents come before the tables that refer to them.
    """
    imports, last = _IMPORT_LIST.search(catalog), _LAST_PROJECTION.search(catalog)
    if imports is None or last is None:
        raise Failure(f"{CATALOG} does not have its usual form: add {name}.projection by hand")
    lines = sorted({*imports["names"].splitlines(keepends=True), f"    {name},\n"})
    text = f"{catalog[: last.end()]}{last[1]}{name}.projection,\n{catalog[last.end() :]}"
    return text.replace(imports["names"], "".join(lines), 1)
