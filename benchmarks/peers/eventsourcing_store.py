"""Measurement of the recorder of the library eventsourcing: one INSERT of many rows each batch."""

import json
import time
from collections import Counter
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import NAMESPACE_URL, uuid5

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from services.runtime.garbage_collection import collect_rarely
from services.runtime.settings import Settings


async def eventsourcing(settings: Settings, file: str, batch_events: int) -> dict[str, float]:
    """Append the events of a file; return the seconds without the time to make them."""
    collect_rarely()  # as in the measurement of the core
    parts = urlsplit(settings.dsn)
    datastore = PostgresDatastore(
        dbname=parts.path.removeprefix("/"), host=parts.hostname, port=str(parts.port),
        user=parts.username, password=unquote(parts.password or ""),
    )  # fmt: skip
    recorder = PostgresApplicationRecorder(datastore, events_table_name="stored_events")
    recorder.create_table()
    events, seconds = iter(_load(Path(file))), 0.0
    while batch := list(islice(events, batch_events)):
        started = time.perf_counter()
        recorder.insert_events(batch)
        seconds += time.perf_counter() - started
    datastore.close()
    return {"seconds": seconds}


def _load(file: Path) -> list[StoredEvent]:
    versions: Counter[str] = Counter()
    stored = []
    for line in file.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        stream = event["stream"]
        stored.append(StoredEvent(
            uuid5(NAMESPACE_URL, stream), versions[stream], event["type"],
            json.dumps(event["data"]).encode(),
        ))  # fmt: skip
        versions[stream] += 1
    return stored
