"""The story of messages that did not leave: the agent reads why and until when, and cancels one."""

from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from events.consents import ConsentChannel, ConsentWithdrawn, consent_id
from events.deliveries import DeliveryChannel
from services.deciders.sending_rules.property_rules import KEY
from tests.browser.conftest import OpenScreen
from tests.browser.log_events import Row, read_api, read_event, read_reason
from tests.browser.running_stack import RunningStack
from tests.browser.screens import Screen
from tests.browser.test_lead_stories import open_form, submit
from tests.conftest import until
from tests.services.api.site import TIME_ZONE, Site

QUIET = "messages are not sent at this hour where the person is"
OPTED_OUT = "the person does not want messages on this channel"


def other_hours() -> dict[str, str]:
    """Return hours of sending that are not now in the zone of the property."""
    hour = datetime.now(UTC).astimezone(ZoneInfo(TIME_ZONE)).hour
    begin = 20 if hour < 19 else 8
    return {"send_from": f"{begin:02}:00", "send_until": f"{begin + 1:02}:00"}


async def set_sending_hours(site: Site, hours: dict[str, str]) -> None:
    """Set the hours in which the property sends SMS, as the host does."""
    await site.world.pool.execute(
        "UPDATE properties SET settings = settings || $2 WHERE id = $1",
        site.property_id, {KEY: hours},
    )  # fmt: skip


async def opt_out(site: Site, lead: UUID) -> None:
    """Append the withdrawal of the consent that the provider reports for a STOP by SMS."""
    withdrawn = ConsentWithdrawn(
        consent_id=consent_id(lead, ConsentChannel.SMS), lead_id=lead, text="STOP",
        channel=ConsentChannel.SMS, place="sms_reply", at=site.world.now, keyword="STOP",
    )  # fmt: skip
    await site.world.append(site.world.new(withdrawn))


async def write_sms(agent: Screen, text: str) -> None:
    await open_form(agent, "Message")
    await agent.page.get_by_label("Channel").select_option("sms")
    await agent.page.get_by_role("textbox", name="Text").fill(text)
    assert "as soon as the rules allow it" in await submit(agent)


async def test_an_agent_reads_why_a_message_did_not_leave_and_cancels_another(
    site: Site, stack: RunningStack, screen_of: OpenScreen
) -> None:
    hours = other_hours()
    await set_sending_hours(site, hours)
    lead = await site.create_lead(firstName="Ada", phone="+12125550123", email="ada@acme.example")
    await site.project()
    path = f"/console/leads/{lead}"
    sent_before = len(stack.providers[DeliveryChannel.SMS].requests)
    async with screen_of(site.manager) as agent:
        page = agent.page
        await agent.open(path)
        await page.locator("#live[data-state=on]").wait_for()
        await write_sms(agent, "Shall we call you?")
        planned = page.locator("[id^=planned-]", has_text="SMS")
        await planned.get_by_text("held until").wait_for()

        async def read_messages() -> list[Row]:
            found = await read_api(site, f"/api/leads/{lead}/deliveries")
            return list(found["deliveries"])

        async def is_held() -> bool:
            return bool((await read_messages())[0]["status"] == "held")

        await until(is_held)
        [row] = await read_messages()
        held = await read_event(site, "delivery.held", reason="quiet_hours")
        assert held["payload"]["held_until"] == row["nextAt"]
        assert held["actor"] == "sender"
        await planned.get_by_text(QUIET).wait_for()
        next_at = datetime.fromisoformat(row["nextAt"]).astimezone(ZoneInfo(TIME_ZONE))
        assert f"{next_at:%H:%M}" == hours["send_from"]
        assert hours["send_from"] in await planned.inner_text()
        await agent.save("story-held-message")

        await write_sms(agent, "The key is under the mat")
        second = page.locator("[id^=planned-]", has_text="SMS").nth(1)
        await second.wait_for()
        shown = {str(await one.get_attribute("id")) for one in await planned.all()}
        [second_id] = shown - {f"planned-{row['id']}"}
        await page.locator(f"#{second_id}").get_by_role("link", name="cancel").click()
        await page.locator("dialog[open]").get_by_text("It will not be sent").wait_for()
        await page.get_by_role("textbox", name="Why").fill("She knows the way")
        assert "cancelled" in await submit(agent)
        await page.get_by_text("not sent: a person cancelled the message").first.wait_for()
        skipped = await read_event(site, "delivery.skipped", reason="cancelled")
        assert skipped["actor"] == f"user:{site.manager}"
        assert await read_reason(site, skipped) == "She knows the way"
        assert str(skipped["entity_id"]) == second_id.removeprefix("planned-")
        [cancelled] = [one for one in await read_messages() if one["reason"] == "cancelled"]
        assert cancelled["id"] == str(skipped["entity_id"])
        assert await page.locator(f"#message-{cancelled['id']}").count() == 1

        await agent.open(f"{path}/messages")
        await page.locator("#live[data-state=on]").wait_for()
        message = page.locator(f"#message-{row['id']}")
        await message.locator("table").get_by_text(QUIET).wait_for()
        assert hours["send_from"] in await message.locator("table").inner_text()
        await opt_out(site, lead)
        await message.get_by_text(OPTED_OUT).first.wait_for()
        assert await agent.find_barriers() == []
        await agent.save("story-why-not-sent")
    assert len(stack.providers[DeliveryChannel.SMS].requests) == sent_before
