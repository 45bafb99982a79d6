"""The API process: `python -m services.api`."""

import asyncio

import structlog
from pydantic import ValidationError

from services.api.app import create_app
from services.api.server import ApiServer
from services.runtime.environment import explain
from services.runtime.health import serve_health
from services.runtime.key_store import prepare_key_store
from services.runtime.logging import configure_logging
from services.runtime.process import (
    WRONG_SETTINGS,
    exit_with_line,
    loop_factory,
    run_or_exit,
)
from services.runtime.reachability import DATABASE, require_servers
from services.runtime.settings import Settings


def main() -> None:
    """Serve until SIGTERM or SIGINT. Requests that have begun are finished first."""
    try:
        settings = Settings()
    except ValidationError as error:
        exit_with_line("api", explain(error), WRONG_SETTINGS)
    configure_logging("api", form=settings.log_format, level=settings.log_level)
    structlog.contextvars.bind_contextvars(process="api")
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        run_or_exit("api", runner, _serve(settings))


async def _serve(settings: Settings) -> None:
    await require_servers(settings, (DATABASE,))
    await prepare_key_store(settings)
    app = create_app(settings)
    async with serve_health(app.state.checks, host=settings.health_host, port=settings.health_port):
        await ApiServer(settings, app).serve()


if __name__ == "__main__":
    main()
