"""Requests of a parent process to the health routes of its workers."""

import asyncio

import orjson

from services.runtime.health import Check

ANSWER_SECONDS = 2.5
"""Time for the answer of a worker: less than a check of the parent may take."""
NO_ANSWER = 0


async def fetch(host: str, port: int, path: str, accept: str = "*/*") -> tuple[int, bytes]:
    """Return status and body of a health route; `NO_ANSWER` if the worker does not answer."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(
                    f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n"
                    "Connection: close\r\n\r\n".encode()
                )
                answer = await reader.read(-1)
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return NO_ANSWER, b""
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head[9:12]
    return (int(status), body) if status.isdigit() else (NO_ANSWER, b"")


def worker_check(host: str, port: int) -> Check:
    """Return a check that reports the problems of a worker, or that it does not answer."""

    async def check() -> str | None:
        status, body = await fetch(host, port, "/readyz")
        if status == 200:
            return None
        if status == NO_ANSWER:
            return "the process does not answer: it starts, or it starts again"
        problems: dict[str, str] = orjson.loads(body)["problems"]
        return "; ".join(f"{name}: {text}" for name, text in problems.items())

    return check
