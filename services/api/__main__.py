"""The API process: `python -m services.api`."""

import asyncio
import sys

import structlog
from pydantic import ValidationError

from services.runtime.environment import explain
from services.runtime.garbage_collection import collect_rarely
from services.runtime.health import serve_health
from services.runtime.key_store import prepare_key_store
from services.runtime.listening import listen
from services.runtime.logging import configure_logging
from services.runtime.process import (
    WRONG_SETTINGS,
    exit_with_line,
    loop_factory,
    run_or_exit,
)
from services.runtime.reachability import DATABASE, require_servers
from services.runtime.settings import Settings
from services.runtime.tracing import configure_tracing
from services.runtime.workers import (
    WorkerSockets,
    default_processes,
    end_with_parent,
    run_workers,
    worker_sockets,
)

ADDRESS_SETTINGS = "CRM_HTTP_HOST and CRM_HTTP_PORT"


def main() -> None:
    """Serve until SIGTERM or SIGINT. Requests that have begun are finished first."""
    try:
        settings = Settings()
    except ValidationError as error:
        exit_with_line("api", explain(error), WRONG_SETTINGS)
    configure_logging("api", form=settings.log_format, level=settings.log_level)
    structlog.contextvars.bind_contextvars(process="api")
    processes = settings.api_processes or default_processes()
    sockets = worker_sockets()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        if sockets is None and processes > 1:
            run_or_exit("api", runner, _run_workers(settings, processes))
        else:
            run_or_exit("api", runner, _serve(settings, sockets))


async def _run_workers(settings: Settings, processes: int) -> None:
    requests = listen(settings.http_host, settings.http_port, ADDRESS_SETTINGS)
    command = (sys.executable, "-m", "services.api")
    code = await run_workers(
        command, processes, requests,
        health_host=settings.health_host, health_port=settings.health_port,
    )  # fmt: skip
    if code:
        raise SystemExit(code)


async def _serve(settings: Settings, sockets: WorkerSockets | None) -> None:
    # A parent of workers needs none of these modules, and starts faster without them.
    from services.api.app import create_app
    from services.api.server import ApiServer

    if sockets is not None:
        end_with_parent()
    await require_servers(settings, (DATABASE,))
    await prepare_key_store(settings)
    configure_tracing("api")
    app = create_app(settings)
    collect_rarely()
    async with serve_health(
        app.state.checks, host=settings.health_host,
        port=None if sockets else settings.health_port,
        listener=sockets.health if sockets else None,
    ):  # fmt: skip
        await ApiServer(settings, app).serve([sockets.requests] if sockets else None)


if __name__ == "__main__":
    main()
