"""Health routes of a process: /healthz (alive), /readyz (able to work), /metrics (Prometheus)."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import partial

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPEN_METRICS_TYPE
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from events.log.error_text import describe_error
from services.runtime.listening import listen
from services.runtime.metrics import CHECK_PROBLEMS, exposition

CHECK_SECONDS = 3.0
OPEN_METRICS = "application/openmetrics-text"
"""The format in which Prometheus asks for exemplars."""

Check = Callable[[], Awaitable[str | None]]
"""A check of one thing that a process needs. It returns a text if something is wrong, else None."""
ReadMetrics = Callable[[bool], Awaitable[bytes]]
"""A function that returns metrics as Prometheus has them, or as OpenMetrics if it is asked to."""


async def read_own_metrics(checks: Mapping[str, Check], is_open_metrics: bool = False) -> bytes:
    """Return the metrics of this process, with the results of its checks at this moment."""
    names = list(checks)
    problems = await collect_problems(checks) if names else {}
    CHECK_PROBLEMS.clear()
    for name in names:
        CHECK_PROBLEMS.labels(name).set(name in problems)
    return exposition(is_open_metrics=is_open_metrics)


async def _get_healthz(_request: Request) -> Response:
    return JSONResponse({"status": "alive"})


HEALTHZ = Route("/healthz", _get_healthz)
"""The only health route that the API serves on its public port: it reveals nothing."""


def health_routes(checks: Mapping[str, Check], read_metrics: ReadMetrics) -> list[Route]:
    """Return the three routes of the health port."""

    async def readyz(_request: Request) -> Response:
        problems = await collect_problems(checks)
        body = {"status": "unready" if problems else "ready", "problems": problems}
        return JSONResponse(body, status_code=503 if problems else 200)

    async def metrics(request: Request) -> Response:
        is_open_metrics = OPEN_METRICS in request.headers.get("accept", "")
        content_type = OPEN_METRICS_TYPE if is_open_metrics else CONTENT_TYPE_LATEST
        return Response(await read_metrics(is_open_metrics), media_type=content_type)

    return [HEALTHZ, Route("/readyz", readyz), Route("/metrics", metrics)]


async def collect_problems(checks: Mapping[str, Check]) -> dict[str, str]:
    """Run all checks at once and return the problems: check name → text.

    A check that raises or does not answer within `CHECK_SECONDS` is a problem. A process that has
    no check yet is still starting and therefore not ready.
    """
    if not checks:
        return {"process": "still starting"}
    checks = dict(checks)  # the process may change its checks meanwhile

    async def run(check: Check) -> str | None:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                return await check()
        except TimeoutError:
            return f"no answer within {CHECK_SECONDS:g} s"
        except Exception as error:  # noqa: BLE001 — an edge: the error is the result of the check
            return describe_error(error)

    answers = await asyncio.gather(*(run(check) for check in checks.values()))
    return {name: answer for name, answer in zip(checks, answers, strict=True) if answer}


class HealthServer(uvicorn.Server):
    """A uvicorn server in a process that handles its signals itself.

    Its loop waits for the end instead of looking for it ten times a second in each process.
    """

    def __init__(self, app: Starlette) -> None:
        # Without a Date header nothing must be done each second.
        super().__init__(
            uvicorn.Config(
                app, log_config=None, lifespan="off", access_log=False, date_header=False
            )
        )
        self._stopping = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        """Serve until stopped."""
        await self.on_tick(0)
        await self._stopping.wait()

    def stop(self) -> None:
        """End the main loop, also if it has not begun."""
        self.should_exit = True
        self._stopping.set()


@contextlib.asynccontextmanager
async def serve_health(
    checks: Mapping[str, Check],
    *,
    host: str,
    port: int | None,
    listener: socket.socket | None = None,
    metrics: ReadMetrics | None = None,
) -> AsyncIterator[None]:
    """Serve the health routes on `port`, or on a `listener` that is open already, during a block.

    Without both there is no server. `metrics` returns other metrics than those of this process.
    Raise `StartError` if the port is in use.
    """
    if listener is None:
        if port is None:
            yield
            return
        listener = listen(host, port, "CRM_HEALTH_HOST and CRM_HEALTH_PORT")
    app = Starlette(routes=health_routes(checks, metrics or partial(read_own_metrics, checks)))
    server = HealthServer(app)
    task = asyncio.create_task(server.serve([listener]), name="health")
    try:
        yield
    finally:
        server.stop()
        await task
