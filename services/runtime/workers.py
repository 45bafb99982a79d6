"""Worker processes that share one listening socket: their start, restart, health, metrics and end.

The parent serves no request. It passes the socket to its workers, starts one that ended again, and
answers for all of them on its health port.
"""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from services.runtime.health import OPEN_METRICS, Check, serve_health
from services.runtime.listening import listen
from services.runtime.logging import get_logger
from services.runtime.metrics_sum import add_up
from services.runtime.process import UNREACHABLE, WRONG_SETTINGS, sleep_unless, stop_event
from services.runtime.worker_health import fetch, worker_check

LOOPBACK = "127.0.0.1"
WORKER = "worker"
"""The first argument of a worker process; then come the numbers of its two sockets."""
STOP_SECONDS = 15.0
"""Time for the workers to finish their requests after a signal, before they are killed."""
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.2, 10.0
STEADY_SECONDS = 60.0
"""A worker that ran as long as this has recovered: its crashes are counted from zero again."""
MAX_CRASHES = 6
CRASHED = 1

log = get_logger("workers")


@dataclass(slots=True)
class Worker:
    """A worker process with the socket of its health routes."""

    number: int
    health: socket.socket
    process: asyncio.subprocess.Process | None = None

    @property
    def health_port(self) -> int:
        port: int = self.health.getsockname()[1]
        return port


@dataclass(slots=True)
class WorkerSockets:
    """The sockets that a worker has from its parent: for requests, and for its health routes."""

    requests: socket.socket
    health: socket.socket


@dataclass(slots=True)
class WorkerGroup:
    """The workers of one command; `exit_code` is not 0 if they cannot work."""

    command: Sequence[str]
    requests: socket.socket
    workers: list[Worker]
    stop: asyncio.Event
    exit_code: int = 0
    checks: dict[str, Check] = field(default_factory=dict)

    async def run(self, health_host: str, health_port: int | None) -> int:
        """Run until a signal or an error that a restart does not repair; return the exit code."""
        for worker in self.workers:
            self.checks[f"worker {worker.number}"] = worker_check(LOOPBACK, worker.health_port)
        async with serve_health(
            self.checks, host=health_host, port=health_port, metrics=self.read_metrics
        ):
            tasks = [asyncio.create_task(self._keep(worker)) for worker in self.workers]
            await self.stop.wait()
            await self._end_workers()
            await asyncio.gather(*tasks)
        return self.exit_code

    async def read_metrics(self, is_open_metrics: bool) -> bytes:
        """Return the sums of the metrics of all workers that answer."""
        accept = OPEN_METRICS if is_open_metrics else "*/*"
        answers = await asyncio.gather(
            *(fetch(LOOPBACK, worker.health_port, "/metrics", accept) for worker in self.workers)
        )
        texts = [body.decode() for status, body in answers if status == 200]
        return add_up(texts, is_open_metrics=is_open_metrics)

    async def _keep(self, worker: Worker) -> None:
        """Start a worker, and again after each crash, until the group stops."""
        crashes = 0
        while not self.stop.is_set():
            started = time.monotonic()
            code = await self._run_once(worker)
            if self.stop.is_set():
                return
            crashes = 1 if time.monotonic() - started > STEADY_SECONDS else crashes + 1
            if code in (WRONG_SETTINGS, UNREACHABLE) or crashes > MAX_CRASHES:
                self.exit_code = code if code in (WRONG_SETTINGS, UNREACHABLE) else CRASHED
                self.stop.set()
                return
            pause = min(FIRST_PAUSE_SECONDS * 2 ** (crashes - 1), MAX_PAUSE_SECONDS)
            log.error("worker.ended", number=worker.number, exit_code=code, is_retry=True)
            await sleep_unless(self.stop, pause)

    async def _run_once(self, worker: Worker) -> int:
        sockets = (self.requests.fileno(), worker.health.fileno())
        worker.process = await asyncio.create_subprocess_exec(
            *self.command, WORKER, *map(str, sockets), pass_fds=sockets,
            stdin=asyncio.subprocess.PIPE,
        )  # fmt: skip
        return await worker.process.wait()

    async def _end_workers(self) -> None:
        """Send SIGTERM to all workers, and SIGKILL to those that do not end in time."""
        running = [w.process for w in self.workers if w.process and w.process.returncode is None]
        for process in running:
            process.terminate()
        for process in running:
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()


async def run_workers(
    command: Sequence[str],
    count: int,
    requests: socket.socket,
    *,
    health_host: str,
    health_port: int | None,
) -> int:
    """Run `count` processes of a command until SIGTERM or SIGINT; return the exit code."""
    workers = [Worker(number, listen(LOOPBACK, 0, "")) for number in range(1, count + 1)]
    group = WorkerGroup(command, requests, workers, stop_event())
    return await group.run(health_host, health_port)


def worker_sockets() -> WorkerSockets | None:
    """Return the sockets of this process if it is a worker, by its arguments."""
    if len(sys.argv) != 4 or sys.argv[1] != WORKER:
        return None
    requests, health = (socket.socket(fileno=int(number)) for number in sys.argv[2:])
    return WorkerSockets(requests, health)


def end_with_parent() -> None:
    """Stop this worker when its parent has ended, even by SIGKILL: then its input ends."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(sys.stdin.fileno())
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(sys.stdin.fileno(), stop)


def default_processes() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
