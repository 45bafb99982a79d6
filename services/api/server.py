"""The HTTP server: uvicorn with bounded requests and a shutdown that ends event streams first."""

import socket

import uvicorn
from fastapi import FastAPI

from services.api.context import ApiContext
from services.runtime.settings import Settings

STOP_SECONDS = 10


class ApiServer(uvicorn.Server):
    """A server that ends all event streams before it waits for the remaining requests.

    A stream lasts for minutes. Without this, every shutdown would take `STOP_SECONDS`.
    """

    def __init__(self, settings: Settings, app: FastAPI) -> None:
        super().__init__(
            uvicorn.Config(
                app, host=settings.http_host, port=settings.http_port, log_config=None,
                access_log=False, lifespan="on", timeout_graceful_shutdown=STOP_SECONDS,
                h11_max_incomplete_event_size=64 * 1024,
                # rate_limit/networks reads X-Forwarded-For, for trusted proxies only.
                proxy_headers=False,
            )
        )  # fmt: skip
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End all streams, then shut down."""
        context: ApiContext = self._app.state.context
        context.listeners.end()
        await super().shutdown(sockets)
