"""The list of leads: next tours, the same rows as a file, and the form that creates a lead."""

import csv
import io
from uuid import UUID

import pytest

from services.api.console.pages.leads import escape_cell
from tests.services.api.console.visits import Shown, Visit
from tests.services.api.lead_requests import create_people, request_list

FORMULA = "=1+SUM(A1)"


async def download(visit: Visit, **query: str) -> list[list[str]]:
    """Return the rows of the file to which the list links."""
    response = await visit.client.get(visit.at_property("leads"), params=query)
    [address] = [link for link in Shown(response).links() if ".csv" in link]
    file = await visit.client.get(address)
    assert file.status_code == 200
    assert file.headers["content-type"].startswith("text/csv")
    assert file.headers["content-disposition"].startswith('attachment; filename="leads-20')
    return list(csv.reader(io.StringIO(file.content.decode("utf-8-sig"))))


async def test_a_lead_in_the_list_has_its_next_tour(viewer: Visit) -> None:
    site = viewer.site
    lead, loser = await site.create_lead(firstName="Ada"), await site.create_lead()
    other = await site.create_lead(firstName="Grace")
    tour = await site.book_tour(loser)
    cancelled = await site.book_tour(other, tourTime="16:00")
    await site.client.delete(
        f"/api/leads/{other}/tours", params={"tourId": cancelled["id"]},
        headers=site.console_headers(),
    )  # fmt: skip
    merged = await site.client.post(
        f"/api/leads/{loser}/merge", json={"intoLeadId": str(lead)},
        headers=site.console_headers(),
    )  # fmt: skip
    assert merged.status_code == 200
    await site.project()
    found = (await request_list(site, withNextTour=True)).json()["leads"]
    assert {row["id"]: row["next_tour_at"] for row in found} == {
        str(lead): tour["starts_at"], str(other): None,
    }  # fmt: skip
    assert "next_tour_at" not in (await request_list(site)).json()["leads"][0]
    shown = await viewer.open(viewer.at_property("leads"))
    cells = shown.tree.xpath(f"//tr[@id='lead-{lead}']/td[@data-name='Next tour']")
    assert ", 14:00 E" in cells[0].text_content()


async def test_the_file_has_the_rows_that_the_list_shows(viewer: Visit) -> None:
    await create_people(viewer.site)
    head, *rows = await download(viewer, source="Google", sortBy="first_name", sortOrder="asc")
    assert head[:3] == ["Name", "E-mail", "Phone"]
    assert [row[:2] for row in rows] == [
        ["Ada Lovelace", "ada@example.com"], ["Mei Lin", "mei_lin@example.com"],
    ]  # fmt: skip
    assert rows[0][2] == "'+12125550100"
    assert len(await download(viewer, limit="25")) == 5
    shown = await viewer.open(viewer.at_property("leads?search=nobody"))
    assert "as CSV" not in shown.text
    shown = await viewer.open(viewer.at_property("leads?search=mei_lin"))
    assert "Download this row as CSV" in shown.text
    assert head[7:9] == ["Came", "Last contact by us"]


async def test_a_cell_of_the_file_is_no_formula(viewer: Visit) -> None:
    await viewer.site.create_lead(firstName=FORMULA, source="@SUM(1)")
    await viewer.site.project()
    [_, row] = await download(viewer)
    assert row[0] == f"'{FORMULA}"
    assert row[4] == "'@SUM(1)"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_cell_that_a_spreadsheet_would_compute_is_text(start: str) -> None:
    assert escape_cell(f"{start}1") == f"'{start}1"
    assert escape_cell(f"a{start}1") == f"a{start}1"


async def test_a_lead_is_created_by_its_form(manager: Visit) -> None:
    path = manager.at_property("leads/new")
    assert path in (await manager.open(manager.at_property("leads"))).links()
    fields = {"firstName": "Ada", "email": "ada@example.com", "bedrooms": "2"}
    shown = await manager.send(path, fields)
    assert "Ada is a lead now." in shown.text
    lead = UUID(str(shown.response.url).rpartition("/")[2])
    async with manager.site.world.pool.acquire() as conn:
        actor = await conn.fetchval(
            "SELECT actor FROM crm_events WHERE event_type = 'lead.captured' AND lead_id = $1", lead
        )
    assert actor == f"user:{manager.site.manager}"
    [row] = (await request_list(manager.site)).json()["leads"]
    assert (row["id"], row["source"], row["bedrooms"]) == (str(lead), "Walk-in", "2")
    again = await manager.send(path, {**fields, "firstName": "Eve"})
    assert again.status == 409
    assert f"/console/leads/{lead}" in again.links()
    assert again.form(path)["firstName"] == "Eve"


async def test_a_viewer_cannot_create_a_lead(viewer: Visit) -> None:
    path = viewer.at_property("leads/new")
    assert path not in (await viewer.open(viewer.at_property("leads"))).links()
    assert (await viewer.open(path)).status == 403


async def test_a_view_is_saved_under_its_name_and_removed(viewer: Visit) -> None:
    await create_people(viewer.site)
    path, markup = viewer.at_property("leads"), "<b>hot</b>"
    query = "?status=new&sortBy=score&page=2"
    assert f"{path}/views{query}" in (await viewer.open(f"{path}{query}")).links()
    shown = await viewer.send(f"{path}/views{query}", {"name": markup})
    assert str(shown.response.url).endswith(f"{path}?status=new&sortBy=score")
    [link] = shown.tree.xpath("//nav[@aria-label='Saved views']/a")
    assert (link.text, link.get("aria-current")) == (markup, "true")
    await viewer.send(f"{path}/views?source=Google", {"name": "Google"})
    names = (await viewer.open(path)).tree.xpath("//nav[@aria-label='Saved views']/a/text()")
    assert names == [markup, "Google"]
    fragment = Shown(await viewer.client.get(path, headers={"HX-Request": "true"}))
    assert fragment.tree.xpath("//nav[@aria-label='Saved views']") == []
    shown = await viewer.send(f"{path}/views", {"remove_0": "yes"})
    assert shown.tree.xpath("//nav[@aria-label='Saved views']/a/text()") == ["Google"]
    assert viewer.client.cookies.get("crm_console_views", path=path)


async def test_there_is_a_limit_of_views(viewer: Visit) -> None:
    path = viewer.at_property("leads/views")
    form = (await viewer.open(path)).form(path)
    for number in range(20):
        assert (
            await viewer.post(f"{path}?status=new", {**form, "name": f"v{number}"})
        ).status == 200
    shown = await viewer.post(f"{path}?status=new", {**form, "name": "one more"})
    assert shown.status == 400
    assert "there are 20 views already" in shown.text


@pytest.mark.parametrize("cookie", ["x", "e30=", "W1sxXV0=", "bnVsbA=="])
async def test_a_malformed_cookie_has_no_views(viewer: Visit, cookie: str) -> None:
    viewer.client.cookies.set("crm_console_views", cookie)
    shown = await viewer.open(viewer.at_property("leads"))
    assert shown.status == 200
    assert shown.tree.xpath("//nav[@aria-label='Saved views']") == []
