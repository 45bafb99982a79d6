"""The programs of the peers for Node, and the events that they append."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from benchmarks.workload import history, make_organization
from benchmarks.workload_size import WorkloadSize
from events.record import NewEvent

NODE = Path(__file__).parent / "node"


async def install_peers(home: Path) -> None:
    """Copy the programs of the peers for Node into a directory, with their packages."""
    shutil.copytree(NODE, home, dirs_exist_ok=True)
    await run_command("npm", "install", "--no-audit", "--no-fund", "--silent", cwd=home)


def write_events(
    file: Path, size: WorkloadSize, more: Callable[[NewEvent], dict[str, Any]] = lambda _: {}
) -> None:
    """Write the events as JSON, one in a line, with the members that `more` returns."""
    organization = make_organization(size.seed, size.properties)
    with file.open("wb") as lines:
        for new in history(size.seed, organization, size.events):
            lines.write(orjson.dumps({
                "stream": f"{new.event.stream}-{new.event.stream_id}", "type": new.event.name,
                "data": new.event.model_dump(mode="json", exclude_unset=True), **more(new),
            }) + b"\n")  # fmt: skip


async def run_command(*command: str, cwd: Path) -> str:
    """Return what a command prints. Raise `RuntimeError` if it fails."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{command[0]} failed with exit code {process.returncode}")
    return out.decode()
