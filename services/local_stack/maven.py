"""Servers that are published as Maven artifacts: fetched once, whole or not at all."""

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
    """Let Maven resolve `group:artifact:version` and all it needs into `jars`, where not there.

    Raises `StackError` with Maven's last words.
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
            [tool("mvn"), "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=."],
            cwd=draft,
            capture_output=True,
            timeout=FETCH_SECONDS,
            check=False,
        )
        if done.returncode:
            words = (done.stdout + done.stderr).decode(errors="replace")[-2000:]
            raise StackError(f"Maven could not fetch {artifact}:\n{words}")
        put_in_place(draft, jars)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def put_in_place(draft: Path, place: Path) -> None:
    """Rename a directory that is whole, unless somebody else's is there already."""
    try:
        draft.rename(place)
    except OSError:
        if not place.is_dir():
            raise


def cache_directory(name: str) -> Path:
    """Where the user's fetched servers are kept."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "leasing-crm" / name


def tool(name: str) -> str:
    """The path of `java` or `mvn`; raises `StackError` where it is not installed."""
    found = shutil.which(name)
    if found is None:
        raise StackError(f"this needs `{name}` (Java 17 or newer and Maven): install it")
    return found
