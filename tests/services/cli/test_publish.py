"""`crm publish`: checks the lines of a file, and sends them to a real broker."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest

from events.bus.topics import Topics
from services.cli.main import run
from services.intake.publish import structured_event
from services.runtime.settings import Settings
from tests.conftest import use_database
from tests.services.intake.processes import read_all
from tests.services.intake.producer_records import engagement_data


def line(**data: object) -> bytes:
    data = engagement_data(uuid4(), **data)
    return structured_event(
        "engagement.recorded", data, ce_id=str(uuid4()), source="/t", property_id=uuid4()
    )


@pytest.fixture
def crm(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("COLUMNS", "200")

    async def call(*arguments: str) -> tuple[int, str]:
        code = await asyncio.to_thread(run, arguments)
        return code, capsys.readouterr().out

    return call


async def test_lines_are_checked_without_a_stack(crm: Any, tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    derived = line(event_type="tour_completed")
    file.write_bytes(b"\n".join([line(), b"", b"{", derived, line(), b"[]"]))
    code, out = await crm("publish", str(file), "--check", "--json")
    summary = json.loads(out)
    assert (code, summary["checked"], summary["refused"]) == (1, 2, 3)
    assert [(row["line"], row["reason"]) for row in summary["refusals"]] == [
        (3, "malformed"), (4, "not_for_producers"), (6, "malformed"),
    ]  # fmt: skip
    file.write_bytes(line())
    assert (await crm("publish", str(file), "--check"))[0] == 0
    assert (await crm("publish", str(tmp_path / "none"), "--check"))[0] == 1


@pytest.mark.stack
async def test_valid_lines_reach_the_intake_topic(
    crm: Any, tmp_path: Path, kafka_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_database(monkeypatch, kafka_settings)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_settings.kafka_bootstrap_servers)
    monkeypatch.setenv("CRM_TOPIC_PREFIX", kafka_settings.topic_prefix)
    file = tmp_path / "events.jsonl"
    valid = [line() for _ in range(1_500)]
    file.write_bytes(b"\n".join([*valid, b"{"]))
    code, out = await crm("publish", str(file), "--json")
    assert (code, json.loads(out)["sent"]) == (1, 1_500)
    records = await read_all(kafka_settings, Topics.of(kafka_settings.topic_prefix).intake, 1_500)
    assert {record.value for record in records} == set(valid)
    assert all(r.key.decode() == orjson.loads(r.value)["propertyid"] for r in records)
