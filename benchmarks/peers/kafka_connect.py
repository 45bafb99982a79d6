"""Kafka Connect with Debezium's JDBC sink in one process: fetched by Maven, configured by files."""

import json
import shutil
import tarfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from benchmarks.peers.flat_topic import SCHEMA
from services.local_stack.child_process import spawn
from services.local_stack.maven import cache_directory, copy_dependencies, fill_once, find_tool

POM = Path(__file__).parent / "connect" / "pom.xml"
BATCH_EVENTS = 5_000
WORKER = """\
bootstrap.servers={bootstrap_servers}
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
value.converter.schemas.enable=true
value.converter.schema.content={schema}
offset.storage.file.filename={home}/offsets
plugin.path={plugins}
plugin.discovery=hybrid_warn
listeners=http://127.0.0.1:0
connector.client.config.override.policy=All
"""
"""The schema is that of all records. So no record has it, and none has to be parsed for it."""
CONNECTOR = """\
name={name}
connector.class=io.debezium.connector.jdbc.JdbcSinkConnector
tasks.max={tasks}
topics={topic}
connection.url=jdbc:postgresql://{host}:{port}/{database}?reWriteBatchedInserts=true&options=-c%20synchronous_commit%3Doff
connection.username={user}
connection.password={password}
collection.name.format=flat_events
insert.mode=upsert
primary.key.mode=record_value
primary.key.fields=id
schema.evolution=none
batch.size={batch}
use.reduction.buffer=true
dialect.postgres.unnest.insert.enabled=true
consumer.override.auto.offset.reset=earliest
consumer.override.max.poll.records={batch}
consumer.override.fetch.max.bytes=52428800
consumer.override.max.partition.fetch.bytes=8388608
"""


def fetch_connect() -> Path:
    """Return the directory of the jars and the connector, which Maven fills once.

    Raise `StackError` with the end of Maven's output.
    """
    return fill_once(cache_directory("connect-4.4.0-debezium-3.6.0"), _fill)


def _fill(draft: Path) -> None:
    shutil.copy(POM, draft)
    copy_dependencies(draft)
    for archive in draft.glob("*.tar.gz"):
        with tarfile.open(archive) as files:
            files.extractall(draft / "plugins", filter="data")
        archive.unlink()


def start_connect(
    home: Path, name: str, topic: str, *, bootstrap_servers: str, url: str, tasks: int
) -> int:
    """Start Connect with a sink from the topic to the flat table; return its process id.

    Its log is `sink.log` in `home`.
    """
    jars, parts = fetch_connect(), urlsplit(url)
    home.mkdir(parents=True)
    (home / "worker.properties").write_text(WORKER.format(
        bootstrap_servers=bootstrap_servers, schema=json.dumps(SCHEMA), home=home,
        plugins=jars / "plugins",
    ))  # fmt: skip
    (home / "connector.properties").write_text(CONNECTOR.format(
        name=name, topic=topic, tasks=tasks, batch=BATCH_EVENTS, host=parts.hostname,
        port=parts.port, database=parts.path.strip("/"), user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    ))  # fmt: skip
    return spawn(
        [
            find_tool("java"), "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp", f"{jars}/*", "org.apache.kafka.connect.cli.ConnectStandalone",
            "worker.properties", "connector.properties",
        ],
        log=home / "sink.log", cwd=home,
    )  # fmt: skip
