"""`crm publish`: send a file of CloudEvents to the intake topic."""

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

from cyclopts import App, Parameter
from rich.progress import Progress, TaskID

from events.bus.topic_creation import create_topic
from events.bus.topics import Topics
from services.intake.publish import PublicationResult, SigningKey, open_producer
from services.intake.publish import publish as publish_lines
from services.runtime.settings import Settings
from services.runtime.terminal import Failure, examples, note, print_json, print_rows, progress_bar

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
    """Send a file with one structured CloudEvent in each line. Exit code 1 on refused lines.

    Every line is checked first; a line that the intake always rejects is not sent.
    Sending a file again changes nothing: events are recognised by source and id.

    Parameters
    ----------
    file
        The file, or - for standard input.
    check
        Only check the lines; this needs no running stack.
    sign_as
        The id of the producer key to sign with; its secret is in CRM_PRODUCER_SECRET.
    json
        Print one JSON document.
    """
    signing_key = _load_signing_key(sign_as)
    result = asyncio.run(_check(file) if check else _publish(file, signing_key))
    rejected = [
        {"line": line, "reason": reason, "detail": detail}
        for line, reason, detail in result.rejected
    ]
    summary = {
        "checked" if check else "sent": result.sent,
        "refused": len(rejected),
        "types": dict(result.types),
        "refusals": rejected,
    }
    print_json(summary) if json else _show(result.types, rejected, "good" if check else "sent")
    return 1 if rejected else 0


async def _check(file: Path) -> PublicationResult:
    with _open(file) as (lines, bar, task):
        return await publish_lines(lines, None, "", advance=lambda n: bar.advance(task, n))


async def _publish(file: Path, signing_key: SigningKey | None) -> PublicationResult:
    settings = Settings()
    topic = Topics.of(settings.topic_prefix).intake
    with _open(file) as (lines, bar, task):
        await create_topic(
            settings.brokers,
            topic,
            partitions=settings.topic_partitions,
            replicas=settings.topic_replicas,
        )
        async with open_producer(settings.brokers) as producer:
            return await publish_lines(
                lines,
                producer,
                topic,
                signing_key=signing_key,
                advance=lambda n: bar.advance(task, n),
            )


@contextmanager
def _open(file: Path) -> Iterator[tuple[BinaryIO, Progress, TaskID]]:
    """Open the file with a progress bar for its bytes."""
    with progress_bar() as bar:
        if str(file) == "-":
            yield sys.stdin.buffer, bar, bar.add_task("publishing", total=None)
            return
        try:
            with file.open("rb") as lines:
                yield lines, bar, bar.add_task("publishing", total=file.stat().st_size)
        except FileNotFoundError:
            raise Failure(f"{file}: there is no such file") from None


def _load_signing_key(key_id: str | None) -> SigningKey | None:
    if key_id is None:
        return None
    if not (secret := os.environ.get(SECRET)):
        raise Failure(f"{SECRET} is not set: --sign-as needs the secret of the key in it")
    return SigningKey(key_id, secret.encode())


def _show(types: Mapping[str, int], rejected: Sequence[Mapping[str, object]], word: str) -> None:
    print_rows(
        [{"type": name, word: count} for name, count in types.items()], ["type", word],
        empty=f"nothing {word}",
    )  # fmt: skip
    if rejected:
        print_rows(rejected[:SHOWN_REFUSALS], ["line", "reason", "detail"])
        note(f"{len(rejected)} lines refused")
