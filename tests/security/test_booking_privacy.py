"""Attacks on the privacy of tours: a stranger who knows an address must not learn of a visit."""

import base64
from typing import Any
from uuid import UUID, uuid4

import pytest

from events.slots import SlotClosed
from tests.services.api.consistency_tokens import read_token
from tests.services.api.site import WIDGET_LEAD, Site
from tests.services.api.tour_requests import at, book, configure_widget, make_slot, slots_of_day

VICTIM = "ada@example.com"


def content_of(response: Any) -> tuple[int, str, dict[str, Any]]:
    return response.status_code, response.headers["content-type"], response.json()


@pytest.mark.parametrize("capacity", [1, 3])
async def test_a_stranger_gets_the_answer_of_a_full_slot_for_a_known_address(
    site: Site, capacity: int
) -> None:
    await configure_widget(site, tour_capacity=capacity)
    booked = await book(site, at("10:00"), VICTIM, "v_victim")
    assert booked.status_code == 201
    for number in range(capacity):
        assert (await book(site, at("11:00"), visitor=f"v_{number}")).status_code == 201
    stranger = await book(site, at("10:00"), VICTIM, "v_stranger")
    full = await book(site, at("11:00"), visitor="v_stranger")
    assert content_of(stranger) == content_of(full)
    assert dict(stranger.headers) == dict(full.headers)
    assert not {"x-crm-token", "retry-after"} & set(stranger.headers)
    assert (stranger.status_code, stranger.json()["code"]) == (409, "slot_full")
    assert booked.json()["booking"]["id"] not in stranger.text


@pytest.mark.parametrize("visitor", ["", "v_stranger"])
async def test_a_stranger_with_or_without_an_id_does_not_get_the_tour(
    site: Site, visitor: str
) -> None:
    session = str(uuid4())
    await book(site, {**at("10:00"), "sessionId": session}, VICTIM, "")
    await book(site, at("11:00"), VICTIM, "v_victim")
    for clock in ("10:00", "11:00"):
        response = await book(site, at(clock), VICTIM, visitor)
        assert (response.status_code, response.json()["code"]) == (409, "slot_full")
    events = await site.read_event_types()
    assert events.count("tour.scheduled") == 2


async def test_the_visitor_and_the_session_that_booked_get_the_tour_again(site: Site) -> None:
    session = (await site.send_chat("a tour, please", "v_1"))["sessionId"]
    body = {**at("10:00"), "sessionId": session}
    first = await book(site, body, VICTIM, "v_1")
    assert first.status_code == 201
    for again in (await book(site, body, VICTIM, "v_1"), await book(site, at("10:00"), VICTIM)):
        assert (again.status_code, again.json()["booking"]) == (201, first.json()["booking"])
    assert (await site.read_event_types()).count("tour.scheduled") == 1


async def test_a_visitor_does_not_learn_of_a_tour_that_an_agent_booked(site: Site) -> None:
    lead = await site.create_lead(email=VICTIM)
    tour = await site.book_tour(lead, tourTime="10:00")
    outside = await site.book_tour(lead, tourTime="20:00")
    response = await book(site, at("10:00"), VICTIM)
    assert (response.status_code, response.json()["code"]) == (409, "slot_full")
    assert tour["id"] not in response.text
    stranger, anybody = [await book(site, at("20:00"), email) for email in (VICTIM, None)]
    assert content_of(stranger) == content_of(anybody)
    assert stranger.json()["code"] == "no_slot"
    assert outside["id"] not in stranger.text


async def test_a_limit_of_the_network_does_not_tell_who_has_a_tour(site: Site) -> None:
    """A booking of this network would be refused anyway, so a guess would cost nothing."""
    await configure_widget(site, tour_capacity=3, future_tours_per_network=1)
    assert (await book(site, at("10:00"), VICTIM, "v_victim")).status_code == 201
    stranger, anybody = [await book(site, at("10:00"), email, "v_2") for email in (VICTIM, None)]
    assert content_of(stranger) == content_of(anybody)
    assert stranger.json()["code"] == "too_many_tours"


async def test_a_closed_slot_does_not_tell_who_has_a_tour(site: Site) -> None:
    await configure_widget(site, tour_capacity=3)
    assert (await book(site, at("10:00"), VICTIM, "v_victim")).status_code == 201
    closed = SlotClosed(slot_id=make_slot(site.property_id, "10:00").id)
    await site.world.append(site.world.new(closed))
    stranger, anybody = [await book(site, at("10:00"), email, "v_2") for email in (VICTIM, None)]
    assert content_of(stranger) == content_of(anybody)
    assert stranger.json()["code"] == "slot_closed"


async def test_a_stranger_can_guess_only_as_often_as_a_contact_may_book(site: Site) -> None:
    """A wrong guess is a booked tour. When the address has three, every guess is answered alike."""
    await configure_widget(site, tour_capacity=3)
    assert (await book(site, at("10:00"), VICTIM, "v_victim")).status_code == 201
    for clock in ("11:00", "12:00"):
        assert (await book(site, at(clock), VICTIM, "v_2")).status_code == 201
    await site.project()
    slots = await slots_of_day(site)
    guesses = [await book(site, at(clock), VICTIM, "v_2") for clock in ("10:00", "13:00", "14:00")]
    assert content_of(guesses[0]) == content_of(guesses[1]) == content_of(guesses[2])
    assert guesses[0].json()["code"] == "slot_full"
    await site.project()
    assert await slots_of_day(site) == slots


async def test_the_refused_booking_of_a_stranger_changes_nothing(site: Site) -> None:
    await book(site, at("10:00"), VICTIM, "v_victim")
    before = await site.world.count("crm_events")
    body = {**at("10:00"), "sessionId": str(uuid4())}
    body |= {"leadInfo": {"email": VICTIM, "firstName": "Eve", "phone": "+1 212 555 0100"}}
    assert (await book(site, body, visitor="v_stranger")).status_code == 409
    assert await site.world.count("crm_events") == before


async def leave_contact(site: Site, visitor: str, **body: Any) -> Any:
    response = await site.client.post(
        WIDGET_LEAD, json={"email": VICTIM, **body}, headers=site.widget_headers(visitor)
    )
    assert response.status_code == 200, response.text
    return response


async def read_lead_id(site: Site) -> UUID:
    async with site.world.pool.acquire() as conn:
        lead_id: UUID = await conn.fetchval(
            "SELECT entity_id FROM crm_events WHERE event_type = 'lead.captured'"
        )
    return lead_id


async def test_the_lead_reference_does_not_reveal_the_lead_or_its_first_contact(site: Site) -> None:
    sessions = [(await site.send_chat("hi", visitor))["sessionId"] for visitor in ("v_1", "v_2")]
    first = (await leave_contact(site, "v_1", sessionId=sessions[0])).json()["leadId"]
    again = (await leave_contact(site, "v_1", sessionId=sessions[0])).json()["leadId"]
    other = (await leave_contact(site, "v_2", sessionId=sessions[1])).json()["leadId"]
    assert first == again
    assert UUID(first).version == UUID(other).version == 8
    lead_id = await read_lead_id(site)
    assert len({first, other, str(lead_id)}) == 3, "two sessions can compare their references"
    milliseconds = lead_id.int >> 80
    assert UUID(first).int >> 80 != milliseconds
    shown = await site.client.get(f"/api/leads/{first}/tours", headers=site.console_headers())
    assert shown.status_code == 404


async def test_a_visitor_without_a_session_gets_an_own_reference_too(site: Site) -> None:
    ids = [(await leave_contact(site, visitor)).json()["leadId"] for visitor in ("v_1", "v_2", "")]
    assert len({*ids, str(await read_lead_id(site))}) == 4


async def test_a_known_address_is_answered_like_a_new_one(site: Site) -> None:
    """The second request changes nothing, and has the same headers as the first one."""
    responses = [await leave_contact(site, "v_stranger") for _ in range(3)]
    assert await site.read_event_types() == ["lead.captured"]
    new, *known = [
        {**response.headers, "x-crm-token": len(response.headers["x-crm-token"])}
        for response in responses
    ]
    assert known == [new, new]
    assert len({response.headers["x-crm-token"] for response in responses}) == 3


async def test_the_consistency_token_does_not_reveal_the_last_contact(site: Site) -> None:
    """The id of an event contains its time: no token may contain it readably."""
    await leave_contact(site, "v_victim")
    response = await leave_contact(site, "v_stranger")
    event_id = (await read_token(site, response)).event_id
    text = response.headers["X-CRM-Token"]
    assert event_id.bytes not in base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
