"""`crm down`: stop the stack of CRM_HOME, or end what a killed stack left running."""

import signal
from pathlib import Path

from cyclopts import App

from services.local_stack.broker import Broker
from services.local_stack.child_process import has_ended, send, wait_until
from services.local_stack.drain import drain
from services.local_stack.leftovers import end_leftovers
from services.local_stack.ports import free_port
from services.local_stack.postgres import Postgres
from services.local_stack.stack import make_process
from services.runtime.settings import Settings
from services.runtime.stack_state import home_directory, read_last_state, read_state
from services.runtime.terminal import Failure, examples, note

STOP_SECONDS = 180.0

app = App(
    name="down",
    help_epilogue=examples("crm down", "CRM_HOME=/tmp/try crm down"),
    help_format="plaintext",
)


@app.default
def down() -> None:
    """Tell `crm up` to stop and wait for it; if it was killed, end the rest."""
    home = home_directory()
    state = read_state(home)
    if state is not None:
        send(state.pid, signal.SIGTERM)
        if not wait_until(lambda: has_ended(state.pid), STOP_SECONDS):
            raise Failure(f"process {state.pid} has not ended after {STOP_SECONDS:g} s")
        note("stopped; the data stays")
        return
    ended = [*end_leftovers(home)]
    _drain_broker(home)
    for server in (Broker(home / "broker"), Postgres(home / "postgres")):
        if server.pid is not None:
            ended.append(server.pid)
            server.stop()
    note(f"ended {len(ended)} processes of a killed stack" if ended else "nothing runs")


def _drain_broker(home: Path) -> None:
    """Let an intake read the records of a broker that outlived its stack: they are in memory."""
    last, broker = read_last_state(home), Broker(home / "broker")
    if last is None or broker.pid is None:
        return
    settings = Settings.model_validate(last.settings)
    if settings.kafka_bootstrap_servers != broker.bootstrap_servers:
        return
    intake = make_process("intake", settings, home / "logs", free_port())
    try:
        drain(intake, settings, note)
    finally:
        intake.stop()
