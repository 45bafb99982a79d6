"""`crm down`: stop the stack that runs in CRM_HOME, or what a killed one left behind."""

import signal

from cyclopts import App

from services.runtime.console import Failure, examples, note
from services.runtime.state import home_directory, read_state
from services.stack.broker import Broker
from services.stack.leftovers import end_leftovers
from services.stack.postgres import Postgres
from services.stack.process import has_ended, send, wait_until

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
    for server in (Broker(home / "broker"), Postgres(home / "postgres")):
        if server.pid is not None:
            ended.append(server.pid)
            server.stop()
    note(f"ended {len(ended)} processes of a stack that was killed" if ended else "nothing runs")
