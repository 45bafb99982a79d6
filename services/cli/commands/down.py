"""`crm down`: stop the stack that runs in CRM_HOME, or what a killed one left behind."""

import signal
from pathlib import Path

from cyclopts import App

from services.local_stack.broker import Broker
from services.local_stack.child_process import has_ended, send, wait_until
from services.local_stack.drain import drain
from services.local_stack.leftovers import end_leftovers
from services.local_stack.ports import free_port
from services.local_stack.postgres import Postgres
from services.local_stack.stack import child_of
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
    """Ask `crm up` to end and wait for it; end what is left where it was killed."""
    home = home_directory()
    state = read_state(home)
    if state is not None:
        send(state.pid, signal.SIGTERM)
        if not wait_until(lambda: has_ended(state.pid), STOP_SECONDS):
            raise Failure(f"process {state.pid} has not ended after {STOP_SECONDS:g} s")
        note("stopped; the data stay")
        return
    ended = [*end_leftovers(home)]
    _drain(home)
    for server in (Broker(home / "broker"), Postgres(home / "postgres")):
        if server.pid is not None:
            ended.append(server.pid)
            server.stop()
    note(f"ended {len(ended)} processes of a stack that was killed" if ended else "nothing runs")


def _drain(home: Path) -> None:
    """A broker that outlived its stack holds records that are gone when it ends."""
    last, broker = read_last_state(home), Broker(home / "broker")
    if last is None or broker.pid is None:
        return
    settings = Settings.model_validate(last.settings)
    if settings.kafka_bootstrap_servers != broker.bootstrap_servers:
        return
    intake = child_of("intake", settings, home / "logs", free_port())
    try:
        drain(intake, settings, note)
    finally:
        intake.stop()
