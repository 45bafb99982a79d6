"""Log calls: loops log once a minute and not for each attempt; errors are passed as they are."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "services").rglob("*.py"))
LEVELS = {"warning", "error", "exception"}


def unmarked_lines(source: str) -> Iterator[int]:
    """Yield the lines that log an error in an endless loop without `is_retry=True`."""
    for loop in ast.walk(ast.parse(source)):
        if not isinstance(loop, ast.While):
            continue
        for handler in ast.walk(loop):
            if isinstance(handler, ast.ExceptHandler):
                calls = (node for node in ast.walk(handler) if isinstance(node, ast.Call))
                yield from (call.lineno for call in calls if _is_unmarked(call))


def _is_log(node: ast.Call) -> bool:
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    return isinstance(owner, ast.Name) and owner.id in ("log", "process_log")


def _is_unmarked(node: ast.Call) -> bool:
    if not isinstance(node.func, ast.Attribute):
        return False
    marked = any(keyword.arg == "is_retry" for keyword in node.keywords)
    return _is_log(node) and node.func.attr in LEVELS and not marked


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_loop_marks_what_it_logs_for_each_attempt(path: Path) -> None:
    assert list(unmarked_lines(path.read_text(encoding="utf-8"))) == []


def texts_of_errors(source: str) -> Iterator[int]:
    """Yield the lines that log a text made of a caught error: it may quote personal values."""
    for handler in ast.walk(ast.parse(source)):
        if not isinstance(handler, ast.ExceptHandler) or handler.name is None:
            continue
        for call in ast.walk(handler):
            if isinstance(call, ast.Call) and _is_log(call):
                values = [*call.args, *(keyword.value for keyword in call.keywords)]
                if any(_quotes(value, handler.name) for value in values):
                    yield call.lineno


def _quotes(value: ast.expr, error: str) -> bool:
    return not isinstance(value, ast.Name) and any(
        isinstance(part, ast.Name) and part.id == error and not _is_of_type(value)
        for part in ast.walk(value)
    )


def _is_of_type(value: ast.expr) -> bool:
    """Return whether the value is an attribute of an error of this code, or its type's name."""
    return isinstance(value, ast.Attribute) or ast.unparse(value).startswith("LAST_FAILURE.record(")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_error_is_logged_as_it_is_and_not_as_a_text(path: Path) -> None:
    assert list(texts_of_errors(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("argument", "is_found"),
    [
        ("str(error)", True), ("repr(error)", True), ('f"{error}"', True),
        ("error", False), ("type(error).__name__", False), ("error.shards", False),
    ],
)  # fmt: skip
def test_the_check_finds_the_text_of_an_error(argument: str, is_found: bool) -> None:
    source = f"try: work()\nexcept OSError as error:\n  log.info('away', error={argument})\n"
    assert list(texts_of_errors(source)) == ([3] if is_found else [])


def test_the_check_finds_an_unmarked_line() -> None:
    source = (
        "while True:\n  try: work()\n  except OSError as e:\n    log.warning('away', error=e)\n"
    )
    assert list(unmarked_lines(source)) == [4]
    assert list(unmarked_lines(source.replace("error=e", "error=e, is_retry=True"))) == []
