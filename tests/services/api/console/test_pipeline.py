"""The pipeline: one sentence says how things are, each alarm says what to do."""

import inspect
import re
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from events.record import Cause
from projections.engine import standstill
from services.api.console.pages.pipeline import answer_of, list_parts
from services.application import pipeline_alarms
from services.application.alarm_texts import ALARM_TEXTS
from services.application.pipeline_alarms import find_alarms
from services.application.pipeline_reading import read_pipeline
from services.application.pipeline_state import PipelineState
from services.application.pipeline_trend import read_trend
from tests.services.api.console.visits import Visit

PATH = "/console/pipeline"
SAMPLE = """
INSERT INTO crm.pipeline_samples
SELECT date_bin('10 seconds', now(), '2000-01-01+00') - $1 * interval '10 seconds', 100, $2, 0,
  20, 40, 0, 3, 0, 0, $3, 0, 0, 0, 0, 0, 0, 0,
  jsonb_build_object('relay', '["r:1"]'::jsonb, 'live', jsonb_build_array($4::text)),
  pg_postmaster_start_time()
"""


async def store_sample(
    visit: Visit, age: int, *, unpublished: int = 0, seconds: float = 0.0, projector: str = "p:1"
) -> None:
    """Store a sample as the timers process does. `age` is in samples of ten seconds."""
    await visit.site.world.pool.execute(SAMPLE, age, unpublished, seconds, projector)


async def read_state(visit: Visit) -> PipelineState:
    return await read_pipeline(visit.site.world.pool, visit.site.world.now)


async def keep_relay_lease(visit: Visit) -> None:
    """Hold the relay lease for a minute, as a running relay does."""
    await visit.site.world.pool.execute(
        "UPDATE crm.log SET published = position, relay_name = 'test', "
        "relay_lease_until = clock_timestamp() + interval '1 minute'"
    )


async def test_the_first_page_of_an_operator_is_the_pipeline(operator: Visit) -> None:
    shown = await operator.open("/console")
    assert (shown.status, shown.response.url.path) == (200, PATH)


async def test_the_pipeline_is_for_operators(manager: Visit, viewer: Visit) -> None:
    for visit in (manager, viewer):
        shown = await visit.open(PATH)
        assert shown.status == 403
        assert "for operators" in shown.answer
        assert PATH not in (await visit.open("/console")).links()


async def test_a_level_pipeline_is_up_to_date(operator: Visit) -> None:
    await operator.site.project()
    await keep_relay_lease(operator)
    shown = await operator.open(PATH)
    assert shown.answer.startswith("Everything is up to date")
    assert "lag 0.0 s" in shown.answer
    state = await read_state(operator)
    assert f"{state.log.position:,}" in shown.text
    assert state.projection.lag_events == 0


async def test_without_a_relay_the_page_says_which_process_to_start(operator: Visit) -> None:
    world = operator.site.world
    await world.append(world.new(world.captured()))
    shown = await operator.open(PATH)
    assert shown.answer.startswith("No relay works")
    assert "Start the process services.relay" in shown.text


async def test_the_lag_is_counted_in_events_and_seconds(operator: Visit) -> None:
    world = operator.site.world
    await operator.site.project()
    await world.append(*(world.new(world.captured(email=None)) for _ in range(3)))
    await world.number()
    state = await read_state(operator)
    assert state.projection.lag_events == 3
    assert 0 < state.projection.lag_seconds < 60
    assert "3 events" in (await operator.open(PATH)).text


async def test_a_standstill_is_the_answer(operator: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    world = operator.site.world
    await operator.site.project()
    await world.append(world.new(world.captured()))
    await world.number()
    await keep_relay_lease(operator)
    monkeypatch.setattr(standstill, "STANDSTILL_SECONDS", 0.0)
    shown = await operator.open(PATH)
    assert shown.answer.startswith("Projection stands still")
    assert "services.projector" in shown.text


async def test_refused_records_and_parked_events_are_counted_by_reason(operator: Visit) -> None:
    world = operator.site.world
    await world.append(world.new(world.captured()))
    await operator.site.project()
    await keep_relay_lease(operator)
    await world.pool.execute(
        "INSERT INTO crm.parked "
        "(projection_group, event_id, shard, position, touches, reason, detail, behind) "
        "SELECT 'live', id, shard, position, '{}', 'leads', '', false FROM crm_events "
        "WHERE event_type = 'lead.captured'"
    )
    shown = await operator.open(PATH)
    assert "1 thing waits for a decision" in shown.answer
    [parked] = shown.tree.xpath("//dd/a[contains(@href, 'reason=leads')]")
    assert parked.text == "1 event"
    assert "/console/refused?kind=parked&reason=leads" in shown.links()
    [alarm] = find_alarms(await read_state(operator), world.now)
    assert (alarm.code, alarm.is_urgent) == ("parked", False)


async def test_a_due_timer_that_nobody_works_on_is_an_alarm(operator: Visit) -> None:
    world = operator.site.world
    await keep_relay_lease(operator)
    await world.pool.execute(
        "INSERT INTO crm.timers (kind, entity_id, org_id, property_id, due_at, queue_at) "
        "VALUES ('delivery', $1, $2, $3, $4, $4)",
        uuid4(), world.org_id, world.properties[0], world.now - timedelta(minutes=7),
    )  # fmt: skip
    [alarm] = find_alarms(await read_state(operator), world.now)
    assert (alarm.code, alarm.is_urgent) == ("overdue_delivery", True)
    assert "Messages are due for 7 minutes" in alarm.text
    assert "services.sender" in alarm.texts.action


async def test_a_stop_of_messages_is_shown_with_its_reason(operator: Visit) -> None:
    await operator.site.project()
    await keep_relay_lease(operator)
    await operator.site.world.pool.execute(
        "INSERT INTO crm.delivery_stops (id, stopped_at, stopped_by, reason) "
        "VALUES (gen_random_uuid(), now(), 'Ann <b>', 'wrong <i>template</i>')"
    )
    shown = await operator.open(PATH)
    assert "All messages are stopped since" in shown.text
    assert "by Ann <b>: wrong <i>template</i>" in shown.text


async def test_the_picture_is_also_a_table_and_each_shard_is_shown_on_request(
    operator: Visit,
) -> None:
    await operator.site.project()
    shown = await operator.open(f"{PATH}?show=table")
    parts = list_parts(await read_state(operator))
    cells = [cell.text_content() for cell in shown.tree.xpath("//table//tr/td[1]")]
    assert {part.name for part in parts} <= set(cells)
    assert shown.tree.xpath("//svg")
    assert not shown.tree.xpath("//tr[starts-with(@id, 'shard-')]")
    shards = await operator.open(f"{PATH}?show=shards")
    assert shards.tree.xpath("//tr[starts-with(@id, 'shard-')]")


async def test_the_page_reads_itself_again_every_two_seconds(operator: Visit) -> None:
    [section] = (await operator.open(PATH)).tree.xpath("//section[@hx-trigger]")
    assert section.get("hx-trigger") == "every 2s"
    assert section.get("hx-get") == PATH


async def test_several_problems_are_counted_in_the_answer(operator: Visit) -> None:
    world = operator.site.world
    await world.append(world.new(world.captured()))
    state = await read_state(operator)
    alarms = find_alarms(state, world.now)
    assert [alarm.code for alarm in alarms] == ["no_relay"]
    assert answer_of(state, alarms * 2).endswith("(1 more problem below).")


async def test_without_samples_the_page_says_which_process_writes_them(operator: Visit) -> None:
    shown = await operator.open(PATH)
    assert "The process services.timers notes every ten seconds" in shown.text
    assert not shown.tree.xpath("//svg[contains(@class, 'hour')]")


async def test_the_last_hour_is_drawn_with_its_peaks_and_their_reasons(operator: Visit) -> None:
    for age in (20, 19, 15, 14):
        await store_sample(operator, age, projector="p:2" if age < 19 else "p:1")
    await store_sample(operator, 18, seconds=7.0, projector="p:<b>")
    shown = await operator.open(PATH)
    assert "the tables were behind for up to 7 s: projector was restarted" in shown.text
    [lags, rates] = shown.tree.xpath("//svg[contains(@class, 'hour')]")
    assert "at most 7 s" in lags.get("aria-label")
    assert "at most 4 /s" in rates.get("aria-label")
    assert lags.xpath(".//polyline")


async def test_a_line_ends_where_nobody_looked(operator: Visit) -> None:
    for age in (100, 99, 20, 19):
        await store_sample(operator, age)
    shown = await operator.open(PATH)
    [lags, _] = shown.tree.xpath("//svg[contains(@class, 'hour')]")
    assert len(lags.xpath(".//polyline[@class='mark']")) == 2


async def test_the_last_hour_is_also_a_table(operator: Visit) -> None:
    for age in (30, 12):
        await store_sample(operator, age, seconds=2.5)
    shown = await operator.open(f"{PATH}?show=hour")
    rows = shown.tree.xpath("//section[@aria-labelledby='hour-head']//tbody/tr")
    assert len(rows) == 2
    cells = [cell.text_content() for cell in rows[0].xpath("./td")]
    assert cells[1:] == ["0.0", "2.5", "0.0", "0", "0", "20", "40", "0", "3", "0", "0", "0", "0"]
    assert PATH in shown.links(), "the way back"


async def test_a_broker_that_takes_nothing_is_an_alarm(operator: Visit) -> None:
    world = operator.site.world
    await operator.site.project()
    await keep_relay_lease(operator)
    for age in (2, 1):
        await store_sample(operator, age, unpublished=5)
    async with world.pool.acquire() as conn:
        trend = await read_trend(conn)
    [alarm] = find_alarms(await read_state(operator), world.now, trend)
    assert (alarm.code, alarm.is_urgent) == ("broker_unreachable", True)
    shown = await operator.open(PATH)
    assert shown.answer.startswith("The broker takes nothing")
    assert "docs/observability/alarms.md#the-broker-cannot-be-reached" in shown.text


async def test_events_by_http_and_by_producers_are_counted_apart(operator: Visit) -> None:
    world = operator.site.world
    await operator.site.project()
    for actor in ("user:1", "visitor:2", "producer:x", "producer:y", "producer:z", "timer"):
        event = world.new(world.captured(email=None))
        await world.append(replace(event, cause=Cause(actor=actor)))
    await world.number()
    state = await read_state(operator)
    assert (state.last_minute.http, state.last_minute.intake) == (2, 3)
    parts = {part.name: part.value for part in list_parts(state)}
    assert (parts["HTTP"], parts["Intake"]) == ("2 a minute", "3 a minute")


async def test_database_and_broker_are_shown(operator: Visit) -> None:
    shown = await operator.open(PATH)
    assert re.search(r"answers, \d+ MiB, sessions: \d+ of \d+", shown.text)
    assert re.search(r"[\d,]+ records of crm.events", shown.text)


def test_every_alarm_has_its_texts() -> None:
    """Each code of the module is a key of the texts."""
    source = inspect.getsource(pipeline_alarms)
    codes = set(re.findall(r'Alarm\(\s*"(\w+)"', source))
    codes |= {"overdue", "overdue_delivery"}
    codes |= {
        f"{process}_{what}"
        for process in ("projector", "workflows")
        for what in re.findall(r'f"\{process\}_(\w+)"', source)
    }
    assert codes <= ALARM_TEXTS.keys()
    assert len(codes) > 15
