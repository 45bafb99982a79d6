"""Stories of a lead's page: an agent's work, and a merge that is undone."""

from tests.browser.conftest import OpenScreen
from tests.browser.log_events import read_api, read_event, read_reason
from tests.browser.screens import Screen
from tests.services.api.site import Site


async def open_form(screen: Screen, name: str) -> None:
    """Open a form of the page in its dialog."""
    await screen.page.get_by_role("link", name=name, exact=True).first.click()
    await screen.page.locator("dialog#dialog[open]").wait_for()


async def submit(screen: Screen) -> str:
    """Send the form of the dialog; return the notice of the page that follows."""
    await screen.page.locator("dialog[open] button.primary").click()
    await screen.page.locator("p.done").wait_for()
    return str(await screen.page.locator("p.done").inner_text())


async def test_an_agent_s_work_on_a_lead_is_in_the_log_and_seen_by_a_colleague(
    site: Site, screen_of: OpenScreen
) -> None:
    lead = await site.create_lead(firstName="Ada", lastName="Lovelace", phone="+12125550123")
    await site.project()
    path, actor = f"/console/leads/{lead}", f"user:{site.manager}"
    async with screen_of(site.manager) as agent, screen_of(site.viewer) as colleague:
        await colleague.open(path)
        await colleague.page.locator("#live[data-state=on]").wait_for()
        await agent.open(path)

        await open_form(agent, "Note")
        await agent.page.get_by_role("textbox", name="Note").fill("Wants a balcony")
        assert "stored" in await submit(agent)
        await colleague.page.get_by_text("Wants a balcony").wait_for()
        note = await read_event(site, "activity.recorded", description="Wants a balcony")
        assert note["actor"] == actor

        await open_form(agent, "Call")
        await agent.page.get_by_label("yes").check()
        await agent.page.get_by_label("Notes of the call").fill("Comes on Saturday")
        assert "counts for the score" in await submit(agent)
        await colleague.page.get_by_text("Comes on Saturday").wait_for()
        call = await read_event(site, "activity.recorded", type="call_made")
        engagement = await read_event(
            site, "engagement.recorded", event_type="call_outbound_answered"
        )
        assert call["actor"] == engagement["actor"] == actor

        await open_form(agent, "Status")
        await agent.page.get_by_label("New status").select_option("contacted")
        await agent.page.get_by_role("textbox", name="Why").fill("She answered the phone")
        assert (await submit(agent)).startswith("The status is contacted now.")
        details = colleague.page.locator("dl.facts").first
        await details.get_by_text("contacted", exact=True).wait_for()
        change = await read_event(site, "lead.status_changed", status="contacted")
        assert change["actor"] == actor
        assert await read_reason(site, change) == "She answered the phone"
        await agent.save("story-lead")
        assert await agent.find_barriers() == []

        found = (await read_api(site, f"/api/leads/{lead}"))["lead"]
        score = (await read_api(site, "/api/leadpulse/score", leadId=str(lead)))["score"]
        for screen in (agent, colleague):
            await screen.page.reload()
            assert found["status"] == "contacted"
            total = await screen.page.locator("#factor-total").inner_text()
            assert str(score["totalScore"]) in total
        assert await colleague.page.locator("a[data-dialog]").count() == 0


async def test_two_leads_are_merged_and_separated_again(site: Site, screen_of: OpenScreen) -> None:
    loser = await site.create_lead(firstName="Ada", phone="+12125550123")
    winner = await site.create_lead(firstName="Adele", email="adele@example.com")
    await site.project()
    actor = f"user:{site.manager}"
    async with screen_of(site.manager) as agent, screen_of(site.viewer) as colleague:
        await colleague.open(f"/console/leads/{winner}")
        await colleague.page.locator("#live[data-state=on]").wait_for()
        await agent.open(f"/console/leads/{loser}")
        await open_form(agent, "Merge")
        dialog = agent.page.locator("dialog[open]")
        await dialog.get_by_label("Name, e-mail or phone").fill("Adele")
        await dialog.get_by_role("button", name="Search").click()
        await agent.page.get_by_role("link", name="Adele").click()
        row = agent.page.locator("dialog[open] tr", has_text="phone")
        await row.get_by_text("+12125550123").last.wait_for()
        await agent.save("story-merge")
        await agent.page.get_by_label("Reason").fill("the same person")
        await submit(agent)
        await agent.page.wait_for_url(f"**/console/leads/{winner}")
        await colleague.page.get_by_text("Merged into this lead").wait_for()
        merge = await read_event(site, "lead.merged", reason="the same person")
        assert merge["actor"] == actor
        assert (await read_api(site, f"/api/leads/{loser}"))["lead"]["id"] == str(winner)

        await open_form(agent, "undo")
        await agent.page.get_by_role("textbox", name="Why the merge").fill("mother and daughter")
        assert "lead of its own" in await submit(agent)
        await agent.page.wait_for_url(f"**/console/leads/{loser}")
        await colleague.page.get_by_text("Merged into this lead").wait_for(state="detached")
        undone = await read_event(site, "lead.unmerged", reason="mother and daughter")
        assert undone["actor"] == actor
        assert (await read_api(site, f"/api/leads/{loser}"))["lead"]["id"] == str(loser)
        assert (await agent.answer()).startswith("Ada ")
