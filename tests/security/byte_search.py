"""A byte search: which texts are in the files of a server, in its dump, or in records."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

import asyncpg

from services.local_stack.postgres import Postgres, binary


def find_in_files(directory: Path, texts: Iterable[str]) -> dict[str, set[str]]:
    """Return text → names of the files below a directory that contain it."""
    found: dict[str, set[str]] = {}
    for path in directory.rglob("*"):
        if path.is_file():
            for text in find_in_bytes(path.read_bytes(), texts):
                found.setdefault(text, set()).add(str(path.relative_to(directory)))
    return found


def find_in_bytes(content: bytes, texts: Iterable[str]) -> set[str]:
    """Return the texts that occur in the bytes, in upper or lower case."""
    content = content.lower()
    return {text for text in texts if text.lower().encode() in content}


def dump(server: Postgres, database: str) -> bytes:
    """Return all rows of a database as SQL: long values are compressed in the files."""
    done = subprocess.run(
        [binary("pg_dump"), "-d", server.url(database)], capture_output=True, check=True
    )
    return done.stdout


async def clean_up(owner: asyncpg.Connection) -> None:
    """Do the housekeeping after an erasure: dead rows, statistics, and the write-ahead log.

    A file of the write-ahead log that is used again still has its old content, so that the files
    are removed here instead.
    """
    await owner.execute("ALTER SYSTEM SET wal_recycle = off")
    await owner.execute("SELECT pg_reload_conf()")
    await owner.execute("VACUUM FULL ANALYZE")
    for _ in range(3):
        await owner.execute("SELECT pg_switch_wal()")
        await owner.execute("CHECKPOINT")
