"""`crm up`: run the whole core on this machine until Ctrl-C; the data stays.

If DATABASE_URL or KAFKA_BOOTSTRAP_SERVERS is set, that server is used instead of an own one. Data
and logs are in CRM_HOME (default `.crm`).
"""

import signal
import threading
from types import FrameType
from typing import Annotated

from cyclopts import App, Parameter

from services.local_stack.stack import Stack
from services.runtime.terminal import Failure, examples, note, print_line

CHECK_SECONDS = 0.5

app = App(
    name="up",
    help_epilogue=examples("crm up", "crm up --http-port 9000", "CRM_HOME=/tmp/try crm up"),
    help_format="plaintext",
)


@app.default
def up(
    *,
    http_port: Annotated[
        int | None, Parameter(help="The port of the API; 0 is any free port.")
    ] = None,
) -> None:
    """Start everything and wait for Ctrl-C, SIGTERM, or a process that keeps crashing."""
    stack = Stack(http_port=http_port, notice=note)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        stack.start()
        _print_addresses(stack)
        _wait(stack)
    except KeyboardInterrupt:
        note("stopping: accepted work is finished first")
    finally:
        _ignore_interrupts()
        stack.stop()
    if stack.failed:
        raise Failure(f"{', '.join(stack.failed)} crashed too often: see {stack.logs}")
    note("stopped; the data stays")


def _wait(stack: Stack) -> None:
    pause = threading.Event()
    while not stack.failed:
        pause.wait(CHECK_SECONDS)


def _print_addresses(stack: Stack) -> None:
    print_line(f"API        {stack.api_url}")
    print_line(f"Kafka      {stack.settings.kafka_bootstrap_servers}")
    print_line(f"console    {stack.api_url}/console (signed in: crm console)")
    print_line("PostgreSQL crm db url")
    print_line(f"logs       {stack.logs}")
    print_line("Ctrl-C stops it. Until then `crm status` and the other commands use it.")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _ignore_interrupts() -> None:
    """Ignore further signals: the stop takes a limited time, and must be complete."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
