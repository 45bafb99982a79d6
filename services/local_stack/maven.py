"""Servers that are published as Maven artifacts, fetched once into a cache directory."""

import os
import shutil
import subprocess
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
    if jars.is_dir():
        return
    group, name, version = artifact.split(":")
    draft = jars.with_name(f"{jars.name}.{os.getpid()}")
    draft.mkdir(parents=True)
    try:
        pom = POM.format(group=group, artifact=name, version=version)
        (draft / "pom.xml").write_text(pom, encoding="utf-8")
        done = subprocess.run(
            [find_tool("mvn"), "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=."],
            cwd=draft,
            capture_output=True,
            timeout=FETCH_SECONDS,
            check=False,
        )
        if done.returncode:
            output = (done.stdout + done.stderr).decode(errors="replace")[-2000:]
            raise StackError(f"Maven could not fetch {artifact}:\n{output}")
        move_into_place(draft, jars)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def move_into_place(draft: Path, target: Path) -> None:
    """Rename a complete directory to `target`, unless another process has created it meanwhile."""
    try:
        draft.rename(target)
    except OSError:
        if not target.is_dir():
            raise


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
