"""Servers that are published as Maven artifacts, fetched once into a cache directory."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from services.local_stack.child_process import StackError

FETCH_SECONDS = 600
POM = """<project><modelVersion>4.0.0</modelVersion>
<groupId>crm</groupId><artifactId>server</artifactId><version>1</version><packaging>pom</packaging>
<dependencies><dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>
<version>{version}</version></dependency></dependencies></project>
"""


def fetch_jars(jars: Path, artifact: str) -> None:
    """Fetch `group:artifact:version` and its dependencies into `jars`, unless they are there.

    Raise `StackError` with the end of Maven's output.
    """
    group, name, version = artifact.split(":")

    def fill(draft: Path) -> None:
        pom = POM.format(group=group, artifact=name, version=version)
        (draft / "pom.xml").write_text(pom, encoding="utf-8")
        copy_dependencies(draft)

    fill_once(jars, fill)


def fill_once(directory: Path, fill: Callable[[Path], None]) -> Path:
    """Return a directory that `fill` fills if it does not exist.

    `fill` gets a draft, which is then renamed. Other processes may do the same at the same time.
    """
    if directory.is_dir():
        return directory
    draft = directory.with_name(f"{directory.name}.{os.getpid()}")
    draft.mkdir(parents=True)
    try:
        fill(draft)
        draft.rename(directory)
    except OSError:
        if not directory.is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return directory


def copy_dependencies(directory: Path, jars: str = ".") -> None:
    """Let Maven copy what the directory's `pom.xml` names into its directory `jars`.

    Raise `StackError` with the end of Maven's output.
    """
    run_to_fetch(
        directory, find_tool("mvn"), "-q", "-B", "dependency:copy-dependencies",
        f"-DoutputDirectory={jars}",
    )  # fmt: skip


def run_to_fetch(directory: Path, *command: str) -> None:
    """Run a command in a directory. Raise `StackError` with the end of its output if it fails."""
    done = subprocess.run(
        command, cwd=directory, capture_output=True, timeout=FETCH_SECONDS, check=False
    )
    if done.returncode:
        output = (done.stdout + done.stderr).decode(errors="replace")[-2000:]
        raise StackError(f"{Path(command[0]).name} could not fetch {directory.stem}:\n{output}")


def cache_directory(name: str) -> Path:
    """Return the user's cache directory for a fetched server."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "leasing-crm" / name


def find_tool(name: str) -> str:
    """Return the path of `java` or `mvn`; raise `StackError` if it is not installed."""
    path = shutil.which(name)
    if path is None:
        raise StackError(f"`{name}` is not installed: install Java 17 or newer and Maven")
    return path
