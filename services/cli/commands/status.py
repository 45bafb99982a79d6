"""`crm status`: is the stack up, and how is each of its processes?

The exit code is 1 where something is not ready.
"""

from typing import Any

import httpx2
from cyclopts import App

from services.runtime.stack_state import home_directory, read_state
from services.runtime.terminal import examples, print_rows

app = App(
    name="status",
    help_epilogue=examples("crm status", "crm status --json"),
    help_format="plaintext",
)


@app.default
def status(*, json: bool = False) -> int:
    """Ask every process; 0 where all are ready."""
    state = read_state(home_directory())
    rows = [] if state is None else [ask(name, url) for name, url in state.urls.items()]
    print_rows(
        rows,
        ["process", "status", "problems", "url"],
        as_json=json,
        empty="no stack runs here: start one with `crm up`",
        show=lambda value: (
            "; ".join(f"{k}: {v}" for k, v in value.items())
            if isinstance(value, dict)
            else str(value)
        ),
    )
    return 0 if rows and all(row["status"] == "ready" for row in rows) else 1


def ask(name: str, url: str) -> dict[str, Any]:
    """What a process says of itself."""
    try:
        answer = httpx2.get(f"{url}/readyz", timeout=5).json()
    except httpx2.HTTPError as error:
        answer = {"status": "down", "problems": {"http": str(error)}}
    return {
        "process": name,
        "status": answer.get("status", "unknown"),
        "problems": answer.get("problems", {}),
        "url": url,
    }
