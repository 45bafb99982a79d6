"""Projections: versions, rows, and requests of rebuilds that the replay worker does."""

import asyncio
from uuid import UUID, uuid4

from projections.catalog import LIVE
from services.api.console.pages.projections import describe
from services.application.operator_requests import OperatorRequest, RequestKind, list_requests
from services.replay_worker.replay_worker import work
from services.runtime.clock import Clock
from services.runtime.settings import Settings
from tests.conftest import until
from tests.services.api.console.visits import Visit

PATH = "/console/projections"
KINDS = (RequestKind.REBUILD, RequestKind.VERIFY)


async def read_requests(visit: Visit) -> list[OperatorRequest]:
    async with visit.site.world.pool.acquire() as conn:
        return await list_requests(conn, KINDS)


async def test_pages_and_actions_are_for_operators(
    manager: Visit, viewer: Visit, operator: Visit
) -> None:
    done = await operator.send(f"{PATH}/verify?names=leads", {"reason": "a test"})
    [request] = await read_requests(operator)
    assert done.response.url.path == f"{PATH}/requests/{request.id}"
    for path in ("", "/rebuild", "/verify", f"/requests/{request.id}"):
        assert (await operator.open(PATH + path)).status == 200, path
        for visit in (manager, viewer):
            assert (await visit.open(PATH + path)).status == 403, path
    for path in ("/rebuild", "/verify"):
        for visit in (manager, viewer):
            assert (await visit.post(PATH + path, {"reason": "x"})).status == 403
    assert len(await read_requests(operator)) == 1


async def test_all_projections_are_shown_with_their_versions(operator: Visit) -> None:
    await operator.site.project()
    shown = await operator.open(PATH)
    assert shown.answer.startswith(f"All {len(LIVE.projections)} projections are of this build")
    for projection in LIVE.projections:
        assert shown.tree.xpath(f"//tr[@id='projection-{projection.name}']")
    assert "public.leads" in shown.text
    assert "none was requested in the console yet" in shown.text


async def test_a_projection_of_another_build_is_named(operator: Visit) -> None:
    await operator.site.project()
    older = " ".join(
        f"{p.name}.{p.version - 1 if p.name == 'leads' else p.version}" for p in LIVE.projections
    )
    await operator.site.world.pool.execute(
        "UPDATE crm.checkpoints SET version = $1 WHERE projection_group = $2", older, LIVE.name
    )
    shown = await operator.open(PATH)
    assert shown.answer == "leads is not of this build: rebuild what is named here."


async def test_a_rebuild_is_shown_first_then_requested_with_a_reason_once(
    operator: Visit,
) -> None:
    await operator.site.project()
    path = f"{PATH}/rebuild?names=leads"
    shown = await operator.open(path)
    assert "1 projection from" in shown.text
    assert "No replay worker is connected" in shown.text
    refused = await operator.send(path, {"reason": ""})
    assert (refused.status, await read_requests(operator)) == (400, [])
    fields = {"reason": "a fixed projector", "command_id": str(uuid4())}
    for _ in range(2):
        done = await operator.post(path, fields)
        assert done.answer == "Rebuild of leads waits for a replay worker."
    [request] = await read_requests(operator)
    action = await operator.site.world.pool.fetchrow("SELECT * FROM crm.operator_actions")
    assert action is not None
    assert action["id"] == request.id == UUID(fields["command_id"])
    assert (action["action"], action["target"], action["reason"]) == (
        "rebuild", {"names": ["leads"]}, "a fixed projector",
    )  # fmt: skip
    assert "Another request is waiting" in (await operator.open(path)).text


async def test_an_unknown_projection_is_refused(operator: Visit) -> None:
    shown = await operator.open(f"{PATH}/rebuild?names=<b>nothing</b>")
    assert shown.status == 400
    assert (await operator.post(f"{PATH}/rebuild?names=x", {"reason": "x"})).status == 400
    assert await read_requests(operator) == []
    assert (await operator.open(f"{PATH}/requests/{uuid4()}")).status == 404


async def test_the_worker_does_it_and_the_page_shows_the_comparison(
    operator: Visit, owner_settings: Settings
) -> None:
    await operator.site.create_lead()
    await operator.site.project()
    await operator.send(f"{PATH}/rebuild?names=leads", {"reason": "a test"})
    stop = asyncio.Event()
    working = asyncio.create_task(work(owner_settings, stop, {}, Clock()))

    async def is_done() -> bool:
        return not (await read_requests(operator))[0].is_open

    await until(is_done)
    stop.set()
    await working
    [request] = await read_requests(operator)
    shown = await operator.open(f"{PATH}/requests/{request.id}")
    assert shown.answer == "Rebuild of leads is done, and the rebuilt tables are live."
    assert "live = rebuilt" in shown.text
    assert not shown.tree.xpath("//section[@hx-trigger]"), "it does not change any more"
    row = (await operator.open(PATH)).tree.xpath("//tr[@id='projection-leads']")[0]
    assert "equal" in row.text_content()


async def test_each_end_of_a_request_is_described_in_words(operator: Visit) -> None:
    await operator.post(f"{PATH}/verify", {"reason": "a test"})
    [waiting] = await read_requests(operator)
    assert describe(waiting) == "Verification of all projections waits for a replay worker."
    await operator.site.world.pool.execute(
        "UPDATE crm.operator_requests SET status = 'failed', error = 'no <b>role</b>'"
    )
    [failed] = await read_requests(operator)
    shown = await operator.open(f"{PATH}/requests/{failed.id}")
    assert shown.answer == "Verification of all projections failed: no <b>role</b>."


async def test_an_operator_cancels_a_request_with_a_reason_once(
    operator: Visit, manager: Visit
) -> None:
    await operator.post(f"{PATH}/rebuild?names=leads", {"reason": "a test"})
    [waiting] = await read_requests(operator)
    path = f"{PATH}/requests/{waiting.id}/cancel"
    assert path in (await operator.open(f"{PATH}/requests/{waiting.id}")).links()
    assert (await manager.post(path, {"reason": "x"})).status == 403
    assert (await operator.send(path, {"reason": ""})).status == 400
    fields = {"reason": "the wrong projection", "command_id": str(uuid4())}
    for _ in range(2):
        shown = await operator.post(path, fields)
        assert shown.answer == "Rebuild of leads was cancelled: the live tables are as they were."
        assert path not in shown.links()
    assert (await operator.open(path)).status == 409
    actions = await operator.site.world.pool.fetch(
        "SELECT * FROM crm.operator_actions WHERE action = 'cancel_request'"
    )
    assert [(row["target"], row["reason"]) for row in actions] == [
        ({"request_id": str(waiting.id)}, "the wrong projection")
    ]


async def test_the_first_differences_are_shown_without_personal_values(
    operator: Visit, owner_settings: Settings
) -> None:
    await operator.site.create_lead(firstName="Ann")
    await operator.site.project()
    async with operator.site.world.pool.acquire() as conn, conn.transaction():
        await conn.execute(
            "SET LOCAL crm.engine = 'on'; UPDATE leads SET source = '<b>x</b>', first_name = 'Zoe'"
        )
    await operator.post(f"{PATH}/verify?names=leads", {"reason": "a test"})
    stop = asyncio.Event()
    working = asyncio.create_task(work(owner_settings, stop, {}, Clock()))

    async def is_done() -> bool:
        return not (await read_requests(operator))[0].is_open

    await until(is_done)
    stop.set()
    await working
    [request] = await read_requests(operator)
    shown = await operator.open(f"{PATH}/requests/{request.id}")
    assert "First differences in leads" in shown.text
    assert "<b>x</b>" in shown.text
    assert "(personal, hidden)" in shown.text
    assert "Zoe" not in shown.response.text
