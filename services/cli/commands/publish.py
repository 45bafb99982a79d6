"""`crm publish`: send a file of CloudEvents to the intake topic."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

from cyclopts import App, Parameter
from rich.progress import Progress, TaskID

from events.bus.publish import create_topic
from events.bus.topics import Topics
from services.intake.publish import Published, Signing, producing
from services.intake.publish import publish as publish_lines
from services.runtime.settings import Settings
from services.runtime.terminal import NOTES, Failure, examples, print_json, print_rows

SHOWN_REFUSALS = 20
SECRET = "CRM_PRODUCER_SECRET"  # noqa: S105 — the name of a variable

app = App(
    name="publish",
    help_epilogue=examples(
        "crm publish events.jsonl --check",
        "crm publish events.jsonl",
        "generate-events | crm publish -",
        f"{SECRET}=… crm publish events.jsonl --sign-as partner-1",
    ),
    help_format="plaintext",
)


@app.default
def publish(
    file: Path,
    /,
    *,
    check: Annotated[bool, Parameter(negative="")] = False,
    sign_as: str | None = None,
    json: bool = False,
) -> int:
    """Send JSON lines, a structured CloudEvent each; exit code 1 where some are refused.

    Lines are checked first; those that the intake could never take in are not sent. Sending a file
    again changes nothing: events are known by source and id.

    Parameters
    ----------
    file
        The file, or - for standard input.
    check
        Only check; needs no running stack.
    sign_as
        Sign with this key; its secret is read from CRM_PRODUCER_SECRET.
    """
    signing = _signing(sign_as)
    done = asyncio.run(_check(file) if check else _publish(file, signing))
    said = {
        "checked" if check else "sent": done.sent,
        "refused": len(done.refused),
        "types": dict(done.types),
        "refusals": [{"line": n, "reason": why, "detail": how} for n, why, how in done.refused],
    }
    print_json(said) if json else _show(done, "good" if check else "sent")
    return 1 if done.refused else 0


async def _check(file: Path) -> Published:
    with _opened(file) as (lines, bar, task):
        return await publish_lines(lines, None, "", advance=lambda n: bar.advance(task, n))


async def _publish(file: Path, signing: Signing | None) -> Published:
    settings = Settings()
    topic = Topics.of(settings.topic_prefix).intake
    with _opened(file) as (lines, bar, task):
        await create_topic(
            settings.kafka_bootstrap_servers,
            topic,
            partitions=settings.topic_partitions,
            replicas=settings.topic_replicas,
        )
        async with producing(settings.kafka_bootstrap_servers) as producer:
            return await publish_lines(
                lines, producer, topic, signing=signing, advance=lambda n: bar.advance(task, n)
            )


@contextmanager
def _opened(file: Path) -> Iterator[tuple[BinaryIO, Progress, TaskID]]:
    """The file's lines, and a bar that shows how far in it we are."""
    with Progress(console=NOTES, transient=True) as bar:
        if str(file) == "-":
            yield sys.stdin.buffer, bar, bar.add_task("publishing", total=None)
            return
        try:
            with file.open("rb") as lines:
                yield lines, bar, bar.add_task("publishing", total=file.stat().st_size)
        except FileNotFoundError:
            raise Failure(f"{file}: there is no such file") from None


def _signing(key_id: str | None) -> Signing | None:
    if key_id is None:
        return None
    if not (secret := os.environ.get(SECRET)):
        raise Failure(f"--sign-as needs the key's secret in {SECRET}")
    return Signing(key_id, secret.encode())


def _show(done: Published, word: str) -> None:
    print_rows(
        [{"type": name, word: count} for name, count in done.types.items()], ["type", word],
        empty=f"nothing {word}",
    )  # fmt: skip
    if done.refused:
        shown = done.refused[:SHOWN_REFUSALS]
        rows = [{"line": n, "reason": why, "detail": how} for n, why, how in shown]
        print_rows(rows, ["line", "reason", "detail"])
        NOTES.print(f"{len(done.refused)} lines refused")
