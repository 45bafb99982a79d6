"""A story with keys alone: an agent finds a lead, opens it, writes a note and goes back."""

from tests.browser.conftest import OpenScreen
from tests.browser.log_events import read_api, read_event
from tests.services.api.site import Site


async def test_a_note_is_written_with_keys_alone(site: Site, screen_of: OpenScreen) -> None:
    lead = await site.create_lead(firstName="Ada", lastName="Lovelace")
    await site.create_lead(firstName="Grace")
    await site.project()
    async with screen_of(site.manager) as agent:
        page, keys = agent.page, agent.page.keyboard
        await agent.open(f"/console/properties/{site.property_id}/today")
        await keys.press("/")
        await keys.type("Lovelace")
        await keys.press("Enter")
        await page.wait_for_url("**/leads?search=Lovelace")
        assert await page.locator("tr[data-row]").count() == 1
        await keys.press("j")
        await keys.press("Enter")
        await page.wait_for_url(f"**/console/leads/{lead}")

        for _ in range(40):
            await keys.press("Tab")
            if await page.locator("a:focus", has_text="Note").count():
                break
        await keys.press("Enter")
        await page.locator("dialog[open] textarea:focus").wait_for()
        assert await agent.find_barriers() == []
        await keys.type("Calls back on Monday")
        await keys.press("Tab")
        assert await page.locator("dialog[open] button.primary:focus").count() == 1
        await agent.save("story-keys")
        await keys.press("Enter")
        await page.get_by_text("The note is stored.").wait_for()
        await page.get_by_text("Calls back on Monday").wait_for()

        await keys.press("g")
        await keys.press("l")
        await page.wait_for_url("**/leads")
        await keys.press("j")
        assert await page.locator("tr[data-row] a:focus").count() == 1
    note = await read_event(site, "activity.recorded", description="Calls back on Monday")
    assert note["actor"] == f"user:{site.manager}"
    items = (await read_api(site, f"/api/leads/{lead}/timeline"))["items"]
    assert "Calls back on Monday" in [item.get("description") for item in items]
