"""Mutation testing: change the code in small ways, and list the changes that no test notices.

By default only lines that differ from `--base` are changed. Each change is made in a copy of the
tree, and the tests that mirror the module are run. A change that no test notices is a survivor: add
a test, or add the survivor with its reason to `survivors.toml`.

    make mutate
    make mutate ARGS="--base HEAD~5"
    make mutate ARGS="--whole projections/scoring/v1.py services/deciders/tours.py"

Exit code 0: no new survivor; 1: new survivors; 2: the tests fail without any change.
"""

import argparse
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from tests.checkout import ROOT, Checkout
from tests.mutation.session import Session

PACKAGES = ("events", "projections", "services")
SURVIVORS = Path(__file__).with_name("survivors.toml")


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="make mutate", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("modules", nargs="*", help="files; default: those that differ from --base")
    parser.add_argument("--base", default="origin/main", help="git revision to compare with")
    parser.add_argument("--whole", action="store_true", help="change also lines as in --base")
    parser.add_argument(
        "--seconds", type=float, default=300, help="longest duration of one run of the tests"
    )
    return parser.parse_args()


def changed_modules(base: str) -> list[str]:
    """Return the Python files of production code that differ from a git revision."""
    output = subprocess.run(
        ["git", "diff", "--name-only", "--diff-filter=d", base, "--", *PACKAGES],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return [name for name in output.split() if name.endswith(".py")]


def tests_of(module: str) -> list[str]:
    """Return the tests that mirror a module: its own files, else those of its directory."""
    path = Path(module)
    stem = path.stem.removesuffix("s")
    directory = Path("tests", path.parent)
    while directory != Path("tests"):
        if own := sorted((ROOT / directory).glob(f"test_{stem}*.py")):
            return [str(test.relative_to(ROOT)) for test in own]
        if directory.name not in ("routes", "schemas") and any(
            (ROOT / directory).glob("test_*.py")
        ):
            return [str(directory)]
        directory = directory.parent
    return ["tests"]


def accepted_survivors() -> set[tuple[str, str, str]]:
    """Return the survivors that have a reason, as (module, operator, source line)."""
    entries = tomllib.loads(SURVIVORS.read_text())["survivor"]
    assert all(entry["reason"] for entry in entries)
    return {(entry["module"], entry["operator"], entry["line"]) for entry in entries}


def main() -> int:
    """Run the mutations of all modules and print the new survivors."""
    options = parse_arguments()
    accepted = accepted_survivors()
    new_count = 0
    with tempfile.TemporaryDirectory() as directory:
        checkout = Checkout(Path(directory))
        for module in options.modules or changed_modules(options.base):
            session = Session(checkout, module, tests_of(module), options.seconds)
            count = session.prepare(None if options.whole else options.base)
            print(f"{module}: {count} mutations, tests: {' '.join(session.tests)}", flush=True)
            if not count:
                continue
            if not session.passes_unchanged():
                print(f"{module}: its tests fail without any change", file=sys.stderr)
                return 2
            new = [survivor for survivor in session.run() if survivor.key not in accepted]
            for survivor in new:
                print(f"{module}:{survivor.line_number} {survivor.operator}\n{survivor.diff}\n")
            new_count += len(new)
    print(f"{new_count} new survivors")
    return 1 if new_count else 0


if __name__ == "__main__":
    sys.exit(main())
