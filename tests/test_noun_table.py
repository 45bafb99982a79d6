"""The table in README.md that shows which file of each package belongs to a noun.

The table is generated from the tree. `.venv/bin/python -m tests.test_noun_table` prints it; with
`--write` it also replaces the table in README.md.
"""

import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PACKAGES = (
    "events",
    "services/deciders",
    "services/application",
    "projections",
    "services/api/routes",
    "services/api/schemas",
)
MACHINERY = frozenset({"catalog", "decided_events", "fields"})
"""Modules with the same name in several packages that do not belong to a noun of the domain."""
BEGIN, END = "<!-- noun table: begin -->\n", "<!-- noun table: end -->\n"


def modules(package: str) -> set[str]:
    names = {path.stem for path in (ROOT / package).glob("*.py")}
    return {name for name in names if not name.startswith("_")} - MACHINERY


def noun_table() -> str:
    """Return the Markdown table: one row per noun that has a file in two packages or more."""
    files = {package: modules(package) for package in PACKAGES}
    packages_per_noun = Counter(noun for nouns in files.values() for noun in nouns)
    shared = sorted(noun for noun, packages in packages_per_noun.items() if packages > 1)
    lines = [
        "| noun | " + " | ".join(f"`{package}/`" for package in PACKAGES) + " |",
        "| --- |" + " --- |" * len(PACKAGES),
    ]
    for noun in shared:
        cells = (f"`{noun}.py`" if noun in files[package] else "" for package in PACKAGES)
        lines.append(f"| {noun.replace('_', ' ')} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def table_in_readme() -> str:
    return README.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]


def test_the_readme_shows_the_files_of_each_noun() -> None:
    assert table_in_readme() == noun_table(), (
        "run `.venv/bin/python -m tests.test_noun_table --write`"
    )


def test_the_schemas_of_a_noun_belong_to_its_routes() -> None:
    shared = {
        "example",
        "json_values",
        "lead_details",
        "schema",
        "visitor_details",
        "widget_settings",
    }
    assert modules("services/api/schemas") - shared <= modules("services/api/routes")


if __name__ == "__main__":
    if "--write" in sys.argv:
        before, rest = README.read_text(encoding="utf-8").split(BEGIN)
        README.write_text(before + BEGIN + noun_table() + END + rest.split(END)[1])
    sys.stdout.write(noun_table())
