"""The story of a tour: a visitor books it; an agent in another browser moves and completes it."""

from datetime import timedelta

from tests.browser.conftest import OpenScreen
from tests.browser.log_events import read_api, read_event, read_reason
from tests.browser.running_stack import RunningStack
from tests.browser.test_lead_stories import open_form, submit
from tests.browser.test_widget import open_widget
from tests.services.api.site import Site

PAST = timedelta(days=10)
"""The tour is booked in the past, so that it has begun: only then can it be completed."""


async def test_a_tour_of_the_widget_is_moved_and_completed_by_an_agent(
    site: Site, stack: RunningStack, screen_of: OpenScreen
) -> None:
    actor = f"user:{site.manager}"
    stack.clock.offset = -PAST
    try:
        async with screen_of(site.manager) as agent, screen_of(site.viewer) as visitor:
            panel = await open_widget(visitor, site)
            await panel.get_by_role("button", name="Book a tour").click()
            await panel.get_by_label("First name").fill("Ada")
            await panel.get_by_label("E-mail").fill("ada@example.com")
            tours = f"/console/properties/{site.property_id}/tours"
            day = await panel.get_by_label("Day").input_value()
            await agent.open(f"{tours}?week={day}")
            await agent.page.locator("#live[data-state=on]").wait_for()
            await panel.get_by_role("button", name="Book the tour").click()
            await panel.get_by_text("Your tour is booked for").wait_for()
            tour = agent.page.locator("#week [data-row]", has_text="Ada")
            await tour.wait_for()
            booked = await read_event(site, "tour.scheduled", tour_date=day)
            tour_id = booked["entity_id"]
            assert await tour.get_attribute("id") == f"tour-{tour_id}"
            await agent.save("story-tours")

            await tour.get_by_role("link", name="tour of Ada").click()
            await agent.page.wait_for_url(f"**/console/tours/{tour_id}")
            await open_form(agent, "Move")
            await agent.page.locator("#slot").select_option("")
            await agent.page.get_by_label("Or another time").fill("18:15")
            await agent.page.get_by_role("textbox", name="Why").fill("She works until six")
            await submit(agent)
            moved = await read_event(site, "tour.rescheduled", tour_time="18:15:00")
            assert moved["actor"] == actor
            assert await read_reason(site, moved) == "She works until six"

            stack.clock.offset = timedelta()
            await agent.open(f"/console/tours/{tour_id}")
            await agent.page.locator("#live[data-state=on]").wait_for()
            assert "waits for its outcome" in await agent.answer()
            await open_form(agent, "Complete")
            await agent.page.get_by_role("textbox", name="Why").fill("She was here")
            assert "took place" in await submit(agent)
            completed = await read_event(site, "tour.completed")
            assert completed["actor"] == actor
            assert await read_reason(site, completed) == "She was here"
            [row] = (await read_api(site, f"/api/leads/{booked['lead_id']}/tours"))["tours"]
            assert (row["status"], row["tour_time"]) == ("completed", "18:15:00")
            await agent.page.locator(f"#tour-{tour_id}").get_by_text("completed").wait_for()
            assert await agent.find_barriers() == []
            await agent.save("story-tour-completed")
    finally:
        stack.clock.offset = timedelta()
