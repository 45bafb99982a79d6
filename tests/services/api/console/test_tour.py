"""The page of a tour and its forms: what they show first, what they do, and for whom."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.services.api.console.visits import Visit, open_visit
from tests.services.api.site import NEXT_MONTH, Site
from tests.services.api.tour_requests import configure_widget, daily_hours

MARKUP = "<b onclick=alert(1)>&amp;"
DAY = timedelta(days=1)


async def create_tour(site: Site, **lead: str) -> tuple[UUID, str]:
    """Book a tour next month at 14:00; return lead and tour."""
    lead_id = await site.create_lead(**{"firstName": "Ada", **lead})
    tour = await site.book_tour(lead_id)
    await site.project()
    return lead_id, str(tour["id"])


async def create_begun(site: Site) -> str:
    tour = await site.create_begun_tour(await site.create_lead(firstName="Ada"))
    await site.project()
    return str(tour)


async def read_tour(site: Site, tour: str) -> dict[str, Any]:
    response = await site.client.get(f"/api/tours/{tour}", headers=site.console_headers())
    found: dict[str, Any] = response.json()["tour"]
    return found


async def read_event(site: Site, event_type: str) -> Any:
    """Return actor and payload of the newest event of a type."""
    async with site.world.pool.acquire() as conn:
        return await conn.fetchrow(
            "SELECT actor, payload FROM crm_events WHERE event_type = $1 ORDER BY seq DESC LIMIT 1",
            event_type,
        )


async def activate_template(site: Site, slug: str, channel: str) -> None:
    body = {
        "propertyId": str(site.property_id), "slug": slug, "name": slug, "channel": channel,
        "subject": "Your tour" if channel == "email" else None, "body": "See you.",
    }  # fmt: skip
    response = await site.client.post(
        "/api/workflows/templates", json=body, headers=site.console_headers()
    )
    assert response.status_code == 201, response.text
    await site.project()


async def test_a_tour_shows_its_details_and_its_possible_actions(manager: Visit) -> None:
    lead, tour = await create_tour(manager.site, lastName=MARKUP)
    shown = await manager.open(f"/console/tours/{tour}")
    assert shown.answer.startswith(f"Ada {MARKUP} comes ")
    assert f"/console/leads/{lead}" in shown.links()
    actions = {link.rpartition("/")[2] for link in shown.links() if f"tours/{tour}/" in link}
    assert actions == {"confirm", "cancel", "move"}
    begun = await manager.open(f"/console/tours/{await create_begun(manager.site)}")
    assert "and waits for its outcome" in begun.answer
    assert "it becomes a no-show by itself" in begun.text
    assert {"complete", "no-show"} <= {link.rpartition("/")[2] for link in begun.links()}
    assert shown.tree.xpath("//b") == []


async def test_a_viewer_sees_a_tour_without_actions(viewer: Visit) -> None:
    _, tour = await create_tour(viewer.site)
    shown = await viewer.open(f"/console/tours/{tour}")
    assert not [link for link in shown.links() if f"tours/{tour}/" in link]
    week = await viewer.open(viewer.at_property(f"tours?week={NEXT_MONTH}"))
    assert not [link for link in week.links() if "/book" in link or "-day" in link]
    for action in ("move", "confirm", "complete", "no-show", "cancel"):
        assert (await viewer.open(f"/console/tours/{tour}/{action}")).status == 403
    for form in ("book", "close-day", "open-day", "move-day"):
        assert (await viewer.open(viewer.at_property(f"tours/{form}"))).status == 403


async def test_the_tour_of_another_organisation_is_not_found(manager: Visit) -> None:
    for path in ("", "/move", "/confirm"):
        assert (await manager.open(f"/console/tours/{uuid4()}{path}")).status == 404


async def test_a_form_says_to_whom_a_message_goes_and_why_not(manager: Visit) -> None:
    site = manager.site
    _, tour = await create_tour(site, email="ada@example.com")
    path = f"/console/tours/{tour}/confirm"
    shown = await manager.open(path)
    assert "not by e-mail: the template tour-confirmation-email is not active" in shown.text
    assert "not by SMS: there is no number" in shown.text
    await activate_template(site, "tour-confirmation-email", "email")
    assert "by e-mail to ada@example.com" in (await manager.open(path)).text


@pytest.mark.parametrize("notify", [True, False])
async def test_a_tour_is_confirmed_with_or_without_a_message(notify: bool, manager: Visit) -> None:
    _, tour = await create_tour(manager.site)
    fields = {"notify": "yes"} if notify else {}
    shown = await manager.send(f"/console/tours/{tour}/confirm", fields)
    assert "The tour of Ada is confirmed." in shown.text
    assert (await read_tour(manager.site, tour))["status"] == "confirmed"
    event = await read_event(manager.site, "tour.confirmed")
    assert event["actor"] == f"user:{manager.site.manager}"
    assert _payload(event).get("send_notification", False) is notify


def _payload(event: Any) -> dict[str, Any]:
    found = event["payload"]
    return json.loads(found) if isinstance(found, str) else dict(found)


@pytest.mark.parametrize(
    ("action", "status", "words", "event_type"),
    [
        ("complete", "completed", "+35 points", "tour.completed"),
        ("no-show", "no_show", "-25 points", "tour.no_show_recorded"),
    ],
)
async def test_the_outcome_of_a_tour_shows_what_it_counts(
    action: str, status: str, words: str, event_type: str, manager: Visit
) -> None:
    tour = await create_begun(manager.site)
    path = f"/console/tours/{tour}/{action}"
    assert words in (await manager.open(path)).text
    shown = await manager.send(path, {"change_reason": "Seen at the desk"})
    assert shown.status == 200
    assert f"/console/tours/{tour}" in shown.links()
    assert (await read_tour(manager.site, tour))["status"] == status
    event = await read_event(manager.site, event_type)
    assert event["actor"] == f"user:{manager.site.manager}"
    assert (await read_event(manager.site, "change.explained")) is not None


async def test_a_completed_tour_changes_the_status_of_its_lead(manager: Visit) -> None:
    shown = await manager.open(f"/console/tours/{await create_begun(manager.site)}/complete")
    assert "The status of Ada becomes “toured”; now it is “new”." in shown.text


async def test_a_no_show_is_corrected(manager: Visit) -> None:
    tour = await create_begun(manager.site)
    await manager.send(f"/console/tours/{tour}/no-show")
    page = await manager.open(f"/console/tours/{tour}")
    assert "They came after all" in page.text
    path = f"/console/tours/{tour}/complete"
    assert "The no-show is corrected" in (await manager.open(path)).text
    await manager.send(path)
    assert (await read_tour(manager.site, tour))["status"] == "completed"


async def test_a_coming_tour_has_no_outcome_yet(manager: Visit) -> None:
    _, tour = await create_tour(manager.site)
    path = f"/console/tours/{tour}/complete"
    assert "The tour has not begun yet" in (await manager.open(path)).text
    shown = await manager.send(path)
    assert shown.status == 409
    assert "before that it cannot be completed" in shown.text


async def test_a_cancelled_tour_frees_its_place(manager: Visit) -> None:
    site = manager.site
    await configure_widget(site, tour_hours=daily_hours("14:00", "15:00"))
    _, tour = await create_tour(site)
    week = manager.at_property(f"tours?week={NEXT_MONTH}")
    assert "14:00 0 of 1 free" in (await manager.open(week)).text
    shown = await manager.send(f"/console/tours/{tour}/cancel", {"notify": "yes"})
    assert "The tour of Ada is cancelled." in shown.text
    assert "14:00 1 of 1 free" in shown.text
    event = await read_event(site, "tour.cancelled")
    assert event["actor"] == f"user:{site.manager}"
    assert _payload(event)["send_notification"] is True


async def test_a_tour_is_moved_to_a_free_slot(manager: Visit) -> None:
    site = manager.site
    await configure_widget(site, tour_hours=daily_hours("14:00", "16:00"))
    _, tour = await create_tour(site)
    day = NEXT_MONTH + DAY
    path = f"/console/tours/{tour}/move?date={day}"
    opened = await manager.open(path)
    options = opened.tree.xpath("//select[@name='slot']/option/@value")
    assert options == ["", *(f"{day}/{clock}/0" for clock in ("14:00", "14:30", "15:00", "15:30"))]
    shown = await manager.send(path, {"slot": f"{day}/15:30/0"})
    assert f"The tour of Ada is on {day} at 15:30 now." in shown.text
    moved = await read_tour(site, tour)
    assert (moved["tour_date"], moved["tour_time"], moved["revision"]) == (
        str(day), "15:30:00", 2
    )  # fmt: skip
    event = await read_event(site, "tour.rescheduled")
    assert event["actor"] == f"user:{site.manager}"


async def test_a_move_is_refused_with_the_reason_and_can_be_sent_again(manager: Visit) -> None:
    site = manager.site
    _, tour = await create_tour(site)
    await site.book_tour(await site.create_lead(), tourTime="16:00")
    await site.project()
    path = f"/console/tours/{tour}/move"
    refused = await manager.send(path, {"time": "16:00"})
    assert (refused.status, "this time is fully booked" in refused.text) == (409, True)
    fields = refused.form()
    assert fields["time"] == "16:00"
    shown = await manager.post(path, {**fields, "time": "17:00"})
    assert "at 17:00 now" in shown.text


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "no time is chosen"),
        ({"slot": "2036-05-14/10:00/0"}, "the slot is on 2036-05-14, but the day is"),
        ({"slot": "x"}, "the slot is on x"),
    ],
)
async def test_a_move_without_a_time_is_refused(
    fields: dict[str, str], text: str, manager: Visit
) -> None:
    _, tour = await create_tour(manager.site)
    shown = await manager.send(f"/console/tours/{tour}/move", fields)
    assert (shown.status, text in shown.text) == (400, True)


async def test_a_tour_is_booked_for_a_lead_that_was_searched(manager: Visit) -> None:
    site = manager.site
    await configure_widget(site, tour_hours=daily_hours("10:00", "11:00"))
    lead = await site.create_lead(firstName="Ada", lastName=MARKUP)
    await site.create_lead(firstName="Grace")
    await site.project()
    week = await manager.open(manager.at_property(f"tours?week={NEXT_MONTH}"))
    booking = f"book?date={NEXT_MONTH}&slot={NEXT_MONTH}%2F10%3A30%2F0"
    [link] = [one for one in week.links() if one.endswith(booking)]
    opened = await manager.open(f"{link}&search=Ada")
    assert opened.tree.xpath("//input[@name='lead']/@value") == [str(lead)]
    assert opened.form()["slot"] == f"{NEXT_MONTH}/10:30/0"
    chosen = await manager.open(f"{link}&lead={lead}")
    assert "The status of Ada" in chosen.text
    assert "becomes “tour booked”; now it is “new”." in chosen.text
    assert chosen.tree.xpath("//b") == []
    shown = await manager.send(
        f"{link}&search=Ada",
        {"lead": str(lead), "agent": str(site.manager), "notes": "Third floor"},
    )
    assert f"is booked: {NEXT_MONTH} at 10:30." in shown.text
    found = await site.client.get(f"/api/leads/{lead}/tours", headers=site.console_headers())
    [tour] = found.json()["tours"]
    assert (tour["tour_time"], tour["notes"], tour["assigned_agent_id"]) == (
        "10:30:00", "Third floor", str(site.manager)
    )  # fmt: skip
    event = await read_event(site, "tour.scheduled")
    assert event["actor"] == f"user:{site.manager}"
    assert _payload(event).get("send_confirmation", True) is True


async def test_a_booking_needs_a_lead_of_the_property(manager: Visit) -> None:
    for lead in ("", "x", str(uuid4())):
        path = manager.at_property("tours/book")
        shown = await manager.send(path, {"lead": lead, "time": "10:00"})
        assert (shown.status, "no lead is chosen" in shown.text) == (400, True)


async def test_an_admin_closes_a_day_and_opens_it_again(site_in_process: Site) -> None:
    site = site_in_process
    await configure_widget(site, tour_hours=daily_hours("14:00", "15:00"))
    _, tour = await create_tour(site)
    async with open_visit(site, site.admin) as admin:
        form = admin.at_property(f"tours/close-day?date={NEXT_MONTH}")
        week = admin.at_property(f"tours?week={NEXT_MONTH}")
        assert form in (await admin.open(week)).links()
        opened = await admin.open(form)
        assert f"1 tour stays booked on {NEXT_MONTH}" in opened.text
        assert f"/console/tours/{tour}" in opened.links()
        shown = await admin.send(form)
        assert "No tours: blackout date." in shown.text
        assert await read_blackouts(site) == [str(NEXT_MONTH)]
        event = await read_event(site, "widget.configured")
        assert event["actor"] == f"user:{site.admin}"
        again = admin.at_property(f"tours/open-day?kind=blackout&date={NEXT_MONTH}")
        assert again in shown.links()
        shown = await admin.send(again)
        assert "No tours: blackout date." not in shown.text
        assert await read_blackouts(site) == []


async def test_an_admin_moves_a_holiday_and_says_why(site_in_process: Site) -> None:
    site = site_in_process
    await configure_widget(site, business_hours=daily_hours("14:00", "15:00"))
    new_day = NEXT_MONTH + timedelta(days=1)
    async with open_visit(site, site.admin) as admin:
        form = admin.at_property(f"tours/close-day?date={NEXT_MONTH}")
        shown = await admin.send(form, {"kind": "holiday"})
        assert "No tours: holiday." in shown.text, shown.text
        path = admin.at_property(f"tours/move-day?kind=holiday&date={NEXT_MONTH}")
        week = admin.at_property(f"tours?week={NEXT_MONTH}")
        assert path in (await admin.open(week)).links()
        fields = {"new_date": str(new_day), "change_reason": "The feast is on this day."}
        shown = await admin.send(path, fields)
        assert f"{new_day} is a holiday now, instead of {NEXT_MONTH}." in shown.text
        assert "No tours: holiday." in shown.text
        explained = await read_event(site, "property.change_explained")
        assert explained["actor"] == f"user:{site.admin}"
        assert (await admin.post(path, {**fields, "date": ""})).status == 400
        assert (await admin.post(path, {**fields, "kind": "x", "date": str(new_day)})).status == 400


async def read_blackouts(site: Site) -> list[str]:
    response = await site.client.get(
        "/api/lumaleasing/admin/config", params={"propertyId": str(site.property_id)},
        headers=site.console_headers(site.admin),
    )  # fmt: skip
    return list(response.json()["config"]["tour_blackout_dates"])


async def test_a_manager_cannot_close_a_day(manager: Visit) -> None:
    week = await manager.open(manager.at_property(f"tours?week={NEXT_MONTH}"))
    assert not [link for link in week.links() if "-day" in link]
    for form in ("close-day", "open-day", "move-day"):
        shown = await manager.open(manager.at_property(f"tours/{form}"))
        assert (shown.status, "ask an admin" in shown.text) == (403, True)
