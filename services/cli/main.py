"""The `crm` command: finds the sub-commands, turns every failure into one line and an exit code."""

import ast
import importlib.metadata
import importlib.util
import os
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App, CycloptsError
from pydantic import ValidationError

from services.cli import commands
from services.runtime.settings import DatabaseSettings, Settings, explain
from services.runtime.terminal import Failure

HELP = """The event-sourced core of a leasing CRM.

Start with `crm up` (everything on this machine) or `crm demo` (a story, from nothing to verified).
"""
SETTINGS = (DatabaseSettings.__name__, Settings.__name__)
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def root_app() -> App:
    """The root with one sub-command per module of `services/cli`, imported when it is needed."""
    app = App(name="crm", help=HELP, version=_version, version_flags=["--version"])
    for module in pkgutil.iter_modules(commands.__path__):
        name = _name(module.name)
        app.command(f"{commands.__name__}.{module.name}:app", name=name, help=_help(module.name))
    return app


def _name(module: str) -> str:
    """A module that cannot have the command's name (`import`) has it with an underscore."""
    return module.rstrip("_").replace("_", "-")


def _help(module: str) -> str:
    """The module's opening words without importing it: the command line stays quick."""
    found = importlib.util.find_spec(f"{commands.__name__}.{module}")
    if found is None or found.origin is None:
        return ""
    words = ast.get_docstring(ast.parse(Path(found.origin).read_text(encoding="utf-8"))) or ""
    words = words.removeprefix(f"`crm {_name(module)}`: ")
    return words[:1].upper() + words[1:]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 done, 1 failed, 2 used wrongly, 130 interrupted."""
    raise SystemExit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit code."""
    try:
        result = root_app()(
            arguments, exit_on_error=False, print_error=False, result_action="return_value"
        )
    except CycloptsError as error:
        return _complain(USAGE, f"{_one_line(str(error))} (see crm --help)")
    except ValidationError as error:
        wrong_settings = error.title in SETTINGS
        return _complain(USAGE, explain(error) if wrong_settings else _one_line(str(error)))
    except KeyboardInterrupt:
        return _complain(INTERRUPTED, "interrupted")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else FAILED
    except Exception as error:  # the edge: a person gets a line, CRM_TRACEBACK=1 gets everything
        if os.environ.get("CRM_TRACEBACK"):
            raise
        return _complain(FAILED, _describe(error))
    return result if isinstance(result, int) else OK


def _describe(error: Exception) -> str:
    words = _one_line(str(error)) or type(error).__name__
    if isinstance(error, Failure) or type(error).__module__.startswith(("services.", "events.")):
        return str(error) or words
    if isinstance(error, ConnectionError | OSError) and not isinstance(error, FileNotFoundError):
        return f"cannot reach a server: {words} (is the stack up? see `crm status`)"
    return f"{type(error).__name__}: {words} (CRM_TRACEBACK=1 shows where)"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _complain(code: int, text: str) -> int:
    sys.stderr.write(f"crm: {text}\n")
    return code


def _version() -> str:
    return importlib.metadata.version("leasing-crm")
