"""The `crm` command: it finds the sub-commands, and reports a failure in one line."""

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
from services.runtime.database_settings import DatabaseSettings
from services.runtime.environment import explain
from services.runtime.kafka_settings import KafkaSettings
from services.runtime.logging import configure_logging
from services.runtime.provider_settings import ProviderSettings
from services.runtime.settings import Settings
from services.runtime.terminal import Failure

HELP = """The event-sourced core of a leasing CRM.

Start with `crm up` (everything on this machine) or `crm demo` (a demonstration with verification).
"""
SETTINGS = tuple(
    kind.__name__ for kind in (DatabaseSettings, KafkaSettings, ProviderSettings, Settings)
)
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def root_app() -> App:
    """Return the root command, with a sub-command for each module, imported when it is used."""
    app = App(name="crm", help=HELP, version=_version, version_flags=["--version"])
    for module in pkgutil.iter_modules(commands.__path__):
        name = _command_name(module.name)
        app.command(f"{commands.__name__}.{module.name}:app", name=name, help=_help(module.name))
    return app


def _command_name(module: str) -> str:
    """Return the command of a module; `import_` ends in an underscore, `import` is a keyword."""
    return module.rstrip("_").replace("_", "-")


def _help(module: str) -> str:
    """Return the docstring of a module without importing it, so that `crm --help` is fast."""
    spec = importlib.util.find_spec(f"{commands.__name__}.{module}")
    if spec is None or spec.origin is None:
        return ""
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    text = text.removeprefix(f"`crm {_command_name(module)}`: ")
    return text[:1].upper() + text[1:]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 success, 1 failure, 2 wrong usage, 130 interrupted."""
    configure_logging("cli", form="console", level="warning")  # on stderr: stdout is the result
    sys.excepthook = sys.__excepthook__  # with CRM_TRACEBACK=1, a developer reads everything
    raise SystemExit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    try:
        result = root_app()(
            arguments, exit_on_error=False, print_error=False, result_action="return_value"
        )
    except CycloptsError as error:
        return _print_error(USAGE, f"{_one_line(str(error))} (see crm --help)")
    except ValidationError as error:
        is_settings = error.title in SETTINGS
        return _print_error(USAGE, explain(error) if is_settings else _one_line(str(error)))
    except KeyboardInterrupt:
        return _print_error(INTERRUPTED, "interrupted")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED
    except Exception as error:  # an edge: one line for a user, everything with CRM_TRACEBACK=1
        if os.environ.get("CRM_TRACEBACK"):
            raise
        return _print_error(FAILED, _describe(error))
    return result if isinstance(result, int) else OK


def _describe(error: Exception) -> str:
    message = _one_line(str(error)) or type(error).__name__
    if isinstance(error, Failure) or type(error).__module__.startswith(("services.", "events.")):
        return str(error) or message
    if isinstance(error, ConnectionError | OSError) and not isinstance(error, FileNotFoundError):
        return f"cannot reach a server: {message} (is the stack up? see `crm status`)"
    return f"{type(error).__name__}: {message} (CRM_TRACEBACK=1 shows the traceback)"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _print_error(code: int, text: str) -> int:
    sys.stderr.write(f"crm: {text}\n")
    return code


def _version() -> str:
    return importlib.metadata.version("leasing-crm")
