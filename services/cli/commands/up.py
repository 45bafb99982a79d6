"""`crm up`: the whole core on this machine until Ctrl-C; its data stay.

Servers named by DATABASE_URL and KAFKA_BOOTSTRAP_SERVERS are used instead of own ones. Data and
logs are kept in CRM_HOME (default `.crm`).
"""

import signal
import threading
from types import FrameType
from typing import Annotated

from cyclopts import App, Parameter

from services.local_stack.stack import Stack
from services.runtime.terminal import SCREEN, Failure, examples, note

app = App(
    name="up",
    help_epilogue=examples("crm up", "crm up --http-port 9000", "CRM_HOME=/tmp/try crm up"),
    help_format="plaintext",
)


@app.default
def up(
    *, http_port: Annotated[int | None, Parameter(help="of the API; 0: any free one")] = None
) -> None:
    """Bring everything up and wait for Ctrl-C, SIGTERM or a process that cannot be kept alive."""
    stack = Stack(http_port=http_port, notice=note)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        stack.start()
        _tell(stack)
        _wait(stack)
    except KeyboardInterrupt:
        note("stopping: what was accepted is finished first")
    finally:
        _ignore_interrupts()
        stack.stop()
    if stack.failed:
        raise Failure(f"{', '.join(stack.failed)} could not be kept running; see {stack.logs}")
    note("stopped; the data stay")


def _wait(stack: Stack) -> None:
    pause = threading.Event()
    while not stack.failed:
        pause.wait(0.5)


def _tell(stack: Stack) -> None:
    SCREEN.print(f"API        {stack.api_url}", highlight=False)
    SCREEN.print(f"Kafka      {stack.settings.kafka_bootstrap_servers}", highlight=False)
    SCREEN.print("PostgreSQL crm db url", highlight=False)
    SCREEN.print(f"logs       {stack.logs}", highlight=False)
    SCREEN.print("Ctrl-C stops it; `crm status` and the other commands find it meanwhile.")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _ignore_interrupts() -> None:
    """The way down is bounded, and is walked to its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
