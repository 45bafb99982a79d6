"""The API process: `python -m services.api`."""

import asyncio

import structlog
from pydantic import ValidationError

from services.api.app import create_app
from services.api.server import ApiServer
from services.runtime.environment import explain
from services.runtime.logging import configure_logging
from services.runtime.process import loop_factory
from services.runtime.settings import Settings


def main() -> None:
    """Serve until SIGTERM or SIGINT. Requests that have begun are finished first."""
    try:
        settings = Settings()
    except ValidationError as error:
        raise SystemExit(f"api: {explain(error)}") from None
    configure_logging("api", form=settings.log_format, level=settings.log_level)
    structlog.contextvars.bind_contextvars(process="api")
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(ApiServer(settings, create_app(settings)).serve())


if __name__ == "__main__":
    main()
