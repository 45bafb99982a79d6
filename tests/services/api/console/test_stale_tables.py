"""Pages while projections stand still: what was written is stored, and old data is shown as old."""

import pytest

from services.api.console import own_writes, table_age
from services.api.console.forms import RESULT_COOKIE
from tests.services.api.console.visits import SAME_ORIGIN, Shown, Visit, open_visit
from tests.services.api.site import Site

STORED = "and will appear when the tables catch up. Do not send it again."
BEHIND = "behind: your last change is stored and not shown yet."


async def write_note(visit: Visit, lead: object) -> str:
    """Send a note, without a projector that applies it; return the path of the next page."""
    path = f"/console/leads/{lead}/note"
    fields = (await visit.open(path)).form(path) | {"description": "Calls back"}
    response = await visit.client.post(path, data=fields, headers=SAME_ORIGIN)
    assert response.status_code == 303
    return response.headers["location"]


@pytest.fixture
async def lead(site_in_process: Site) -> object:
    lead = await site_in_process.create_lead()
    await site_in_process.project()
    return lead


async def test_a_write_that_is_not_in_the_tables_is_called_stored(
    manager: Visit, lead: object
) -> None:
    shown = await manager.open(await write_note(manager, lead))
    assert shown.status == 200
    async with manager.site.world.pool.acquire() as conn:
        event_id = await conn.fetchval(
            "SELECT id FROM crm_events WHERE event_type = 'activity.recorded'"
        )
    assert f"Your note is stored (event {event_id}) {STORED}" in shown.text
    assert "The note is stored." not in shown.text

    # A second form does not hide that the first one is not shown.
    shown = await manager.open(await write_note(manager, lead))
    assert STORED in shown.text
    await manager.site.project()
    shown = await manager.open(f"/console/leads/{lead}")
    assert STORED not in shown.text
    assert shown.text.count("Calls back") == 2


async def test_later_pages_say_that_the_last_change_is_not_shown(
    manager: Visit, lead: object
) -> None:
    await manager.open(await write_note(manager, lead))
    for path in (
        manager.at_property("today"),
        manager.at_property("leads"),
        f"/console/leads/{lead}",
    ):
        shown = await manager.open(path)
        assert (shown.status, BEHIND in shown.text, STORED in shown.text) == (200, True, False)
    await manager.site.project()
    assert BEHIND not in (await manager.open(manager.at_property("today"))).text
    assert RESULT_COOKIE not in manager.client.cookies


async def test_a_new_lead_that_is_not_in_the_tables_is_no_unknown_page(manager: Visit) -> None:
    path = manager.at_property("leads/new")
    fields = (await manager.open(path)).form(path) | {"email": "new@example.com"}
    response = await manager.client.post(path, data=fields, headers=SAME_ORIGIN)
    assert response.status_code == 303
    shown = await manager.open(response.headers["location"])
    assert shown.answer.startswith("Your last change is stored"), shown.text
    assert STORED in shown.text


@pytest.mark.parametrize("page", ["pipeline", "projections", "events", "refused"])
async def test_pages_of_operators_do_not_wait_for_a_write(
    page: str, manager: Visit, operator: Visit, lead: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write_note(manager, lead)
    operator.client.cookies.update({RESULT_COOKIE: manager.client.cookies[RESULT_COOKIE]})
    monkeypatch.setattr(own_writes, "is_applied_within", refuse_to_wait)
    assert (await operator.open(f"/console/{page}")).status == 200


async def refuse_to_wait(_context: object, _token: object, wait_seconds: float) -> bool:
    assert wait_seconds == 0
    return False


async def test_a_read_after_a_write_in_one_form_reads_old_rows(
    site_in_process: Site, lead: object
) -> None:
    """Storing the details of a lead searches for others with the same contact afterwards."""
    async with open_visit(site_in_process, site_in_process.manager) as visit:
        path = f"/console/leads/{lead}/details"
        fields = (await visit.open(path)).form(path) | {"email": "other@example.com"}
        response = await visit.client.post(path, data=fields, headers=SAME_ORIGIN)
        assert response.status_code == 303, Shown(response).text


async def test_pages_with_errors_keep_the_menu(manager: Visit) -> None:
    await manager.open(manager.at_property("leads"))
    for path in (
        "/console/nothing",
        "/console/leads/00000000-0000-4000-8000-000000000000",
        "/console/properties/00000000-0000-4000-8000-000000000000/leads",
        "/console/pipeline",
    ):
        shown = await manager.open(path)
        assert shown.status in (403, 404)
        assert manager.at_property("today") in shown.links(), path


async def test_every_page_says_that_its_data_is_old(
    manager: Visit, operator: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_age, "OLD_SECONDS", 0.0)
    monkeypatch.setattr(table_age, "READ_SECONDS", 0.0)
    today = manager.at_property("today")
    await manager.site.project()
    assert "This data is" not in (await manager.open(today)).text, "nothing waits"
    await manager.site.create_lead()
    for visit, path, has_link in (
        (manager, today, False), (manager, manager.at_property("leads"), False),
        (operator, "/console/projections", True), (operator, "/console/nothing", True),
    ):  # fmt: skip
        [line] = (await visit.open(path)).tree.xpath("//*[@id='table-age']/p")
        assert "old: newer changes are stored" in line.text_content()
        assert bool(line.xpath("a[@href='/console/pipeline']")) == has_link
    await manager.site.project()
    assert "This data is" not in (await manager.open(today)).text


async def test_the_age_of_the_data_is_read_once_for_many_pages(
    manager: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []

    async def load_ages(_conn: object, group: str) -> list[dict[str, float]]:
        reads.append(group)
        return [{"seconds": 35.5}]

    monkeypatch.setattr(table_age, "load_ages", load_ages)
    monkeypatch.setattr(table_age, "READ_SECONDS", 60.0)
    for _ in range(3):
        shown = await manager.open(manager.at_property("today"))
        assert "This data is 35 seconds old" in shown.text
    assert len(reads) == 1
