"""One module's mutations, made by Cosmic Ray in a copy of the tree."""

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.checkout import ROOT, Checkout

OPERATORS = (
    "AddNot", "ExceptionReplacer", "NumberReplacer", "RemoveDecorator", "ReplaceAndWithOr",
    "ReplaceBinaryOperator_Add_Sub", "ReplaceBinaryOperator_Sub_Add",
    "ReplaceBinaryOperator_Mul_Div", "ReplaceBinaryOperator_Div_Mul", "ReplaceBreakWithContinue",
    "ReplaceComparisonOperator_Eq_NotEq", "ReplaceComparisonOperator_GtE_Gt",
    "ReplaceComparisonOperator_Gt_GtE",
    "ReplaceComparisonOperator_IsNot_Is", "ReplaceComparisonOperator_Is_IsNot",
    "ReplaceComparisonOperator_LtE_Lt", "ReplaceComparisonOperator_Lt_LtE",
    "ReplaceComparisonOperator_NotEq_Eq", "ReplaceContinueWithBreak", "ReplaceFalseWithTrue",
    "ReplaceOrWithAnd", "ReplaceTrueWithFalse", "ZeroIterationForLoop",
)  # fmt: skip
"""The kinds of change: one for each comparison, sum, condition and constant of the code.

Cosmic Ray has ten more for each operator; they are noticed by the same tests.
"""


@dataclass(frozen=True, slots=True)
class Survivor:
    """A change of the code that no test noticed."""

    module: str
    operator: str
    line_number: int
    line: str
    diff: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what identifies the survivor also after lines were added above it."""
        return self.module, self.operator, self.line

    @property
    def is_checked_by_types(self) -> bool:
        """Return whether the change only lets a value be changed that no code changes.

        mypy refuses an assignment to a field of a frozen class, and `slots` only saves memory.
        """
        is_option = self.operator == "ReplaceTrueWithFalse"
        return is_option and self.line.startswith("@dataclass(frozen=True")


class Session:
    """The mutations of one module and the tests that must notice them."""

    def __init__(
        self, checkout: Checkout, module: str, tests: list[str], timeout_seconds: float
    ) -> None:
        self.checkout, self.module, self.tests = checkout, module, tests
        directory = checkout.root.parent
        self._config, self._session = directory / "mutation.toml", directory / "mutation.sqlite"
        self._timeout_seconds = timeout_seconds

    @property
    def _test_command(self) -> str:
        return shlex.join(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider",
             "-m", "not soak and not kafka", *self.tests]
        )  # fmt: skip

    def prepare(self, base: str | None) -> int:
        """Write the session and return its number of mutations.

        With a git revision, only lines that differ from it are changed.
        """
        self._session.unlink(missing_ok=True)
        self._config.write_text(
            "[cosmic-ray]\n"
            f'module-path = "{self.module}"\n'
            f"timeout = {self._timeout_seconds}\n"
            "excluded-modules = []\n"
            f"test-command = {json.dumps(self._test_command)}\n"
            "[cosmic-ray.filters.operators-filter]\n"
            f"exclude-operators = ['core/(?!({'|'.join(OPERATORS)})$)']\n"
            '[cosmic-ray.distributor]\nname = "local"\n'
            f'[cosmic-ray.filters.git-filter]\nbranch = "{base}"\n'
        )
        self._call("cosmic-ray", "init", str(self._config), str(self._session))
        self._call("cr-filter-operators", str(self._session), str(self._config))
        if base is not None:
            self._call("cr-filter-git", "--config", str(self._config), str(self._session))
        return sum(result is None for _, result in self._items())

    def passes_unchanged(self) -> bool:
        """Return whether the tests pass in the copy without any change."""
        done = subprocess.run(
            shlex.split(self._test_command), cwd=self.checkout.root, check=False,
            capture_output=True,
        )  # fmt: skip
        return done.returncode == 0

    def run(self) -> list[Survivor]:
        """Make each change, run the tests, and return the changes that they did not notice."""
        self._call(
            "cosmic-ray", "exec", str(self._config), str(self._session), cwd=self.checkout.root
        )
        survivors = (
            self._survivor(mutation, result["diff"])
            for mutation, result in self._items()
            if result and result["test_outcome"] == "survived"
        )
        return [survivor for survivor in survivors if not survivor.is_checked_by_types]

    def _survivor(self, mutation: dict[str, object], diff: str) -> Survivor:
        start = mutation["start_pos"]
        assert isinstance(start, list)
        lines = (ROOT / self.module).read_text().splitlines()
        return Survivor(
            self.module, str(mutation["operator_name"]).removeprefix("core/"), start[0],
            lines[start[0] - 1].strip(), diff,
        )  # fmt: skip

    def _items(self) -> list[tuple[dict[str, object], dict[str, str] | None]]:
        """Return each mutation with its result, None if it was not made yet."""
        output = self._call("cosmic-ray", "dump", str(self._session))
        items = [json.loads(line) for line in output.splitlines()]
        return [(work["mutations"][0], result) for work, result in items]

    @staticmethod
    def _call(name: str, *arguments: str, cwd: Path = ROOT) -> str:
        command = Path(sys.executable).with_name(name)
        return subprocess.run(
            [command, *arguments], cwd=cwd, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
