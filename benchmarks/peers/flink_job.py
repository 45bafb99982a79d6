"""PyFlink's JDBC sink and a small cluster in one process: fetched by pip and Maven."""

import json
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from benchmarks.peers.flat_table import TABLE
from services.local_stack.child_process import spawn
from services.local_stack.maven import cache_directory, copy_dependencies, fill_once, run_to_fetch

FLINK = Path(__file__).parent / "flink"
NEWEST_PYTHON = (3, 12)
"""The newest Python that this version of PyFlink has packages for."""
BATCH_EVENTS = 5_000
FLUSH_MILLISECONDS = 100
JDBC_URL = (
    "jdbc:postgresql://{host}:{port}/{database}?reWriteBatchedInserts=true&stringtype=unspecified"
    "&options=-c%20synchronous_commit%3Doff"
)
"""PostgreSQL parses ids and instants: Flink has no type for ids, and would parse each instant."""
SOURCE = """
CREATE TABLE records ({columns}) WITH (
  'connector' = 'kafka', 'topic' = '{topic}', 'format' = 'json',
  'scan.startup.mode' = 'earliest-offset',
  'properties.bootstrap.servers' = '{bootstrap_servers}', 'properties.group.id' = '{name}',
  'properties.max.poll.records' = '{batch}', 'properties.fetch.max.bytes' = '52428800',
  'properties.max.partition.fetch.bytes' = '8388608'
)"""
TARGET = """
CREATE TABLE flat_events ({columns}, PRIMARY KEY (id) NOT ENFORCED) WITH (
  'connector' = 'jdbc', 'url' = '{url}', 'table-name' = 'flat_events',
  'username' = '{user}', 'password' = '{password}',
  'sink.buffer-flush.max-rows' = '{batch}', 'sink.buffer-flush.interval' = '{flush} ms'
)"""


def fetch_flink() -> Path:
    """Return the directory of an environment of Python with PyFlink and the jars, filled once.

    Raise `StackError` with the end of the output of pip or Maven.
    """
    return fill_once(cache_directory("pyflink-2.2.1"), _fill)


def _fill(draft: Path) -> None:
    shutil.copy(FLINK / "pom.xml", draft)
    run_to_fetch(draft, _find_python(), "-m", "venv", "environment")
    run_to_fetch(draft, "environment/bin/python", "-m", "pip", "install", "-q", "--prefer-binary",
                 "-r", str(FLINK / "requirements.txt"))  # fmt: skip
    copy_dependencies(draft, "jars")


def _find_python() -> str:
    """Return a Python that PyFlink has packages for."""
    if sys.version_info[:2] <= NEWEST_PYTHON:
        return sys.executable
    for minor in (12, 11, 10):
        if path := shutil.which(f"python3.{minor}"):
            return path
    raise RuntimeError("PyFlink needs Python 3.12 or older: install one beside the newer one")


def start_job(
    home: Path, name: str, topic: str, *, bootstrap_servers: str, url: str, tasks: int
) -> int:
    """Start a job from the topic to the flat table; return its process id.

    Its log is `sink.log` in `home`. It stores no checkpoints, which is to its advantage.
    """
    flink, parts = fetch_flink(), urlsplit(url)
    jars = ";".join(f"file://{jar}" for jar in sorted((flink / "jars").glob("*.jar")))
    columns = ", ".join(
        f"`{column.name}` STRING{'' if column.nullable else ' NOT NULL'}"
        for column in TABLE.columns
    )
    home.mkdir(parents=True)
    target = JDBC_URL.format(
        host=parts.hostname, port=parts.port, database=parts.path.strip("/"),
    )  # fmt: skip
    job = {
        "configuration": {
            "pipeline.jars": jars, "pipeline.name": name, "pipeline.object-reuse": "true",
            "parallelism.default": str(tasks),
        },
        "tables": [
            SOURCE.format(
                columns=columns, topic=topic, bootstrap_servers=bootstrap_servers, name=name,
                batch=BATCH_EVENTS,
            ),
            TARGET.format(
                columns=columns, url=target, user=unquote(parts.username or ""),
                password=unquote(parts.password or ""), batch=BATCH_EVENTS,
                flush=FLUSH_MILLISECONDS,
            ),
        ],
        "insert": "INSERT INTO flat_events SELECT * FROM records",
    }  # fmt: skip
    return spawn(
        [str(flink / "environment" / "bin" / "python"), str(FLINK / "insert_rows.py"),
         json.dumps(job)],
        log=home / "sink.log", cwd=home, env={"JVM_ARGS": "-Xmx1g", "FLINK_LOG_DIR": str(home)},
    )  # fmt: skip
