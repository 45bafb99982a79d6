"""The messages of a property over HTTP: by state, page by page, with the next one that leaves."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from events.deliveries import DeliveryChannel, DeliveryHeld, DeliveryPlanned, DeliveryPurpose
from events.event import Event
from projections import delivery_list
from projections.delivery_list import NOT_LEFT, STATES, DeliveryWindow
from services.api.reading import compile_query
from tests.services.api.site import Site, create_profile
from tests.services.api.test_lead_deliveries import CASES
from tests.world import make_world

DELIVERIES = "/api/deliveries"
DAY = timedelta(days=1)
STATE_OF = {
    "planned": "planned", "held": "held", "skipped": "not_sent", "claimed": "planned",
    "released": "held", "sent": "sent", "simulated": "not_sent", "delivered": "sent",
    "failed": "failed", "unknown": "unknown", "never_sent": "not_sent",
}  # fmt: skip


async def append_message(
    site: Site,
    lead: UUID,
    events: list[tuple[type[Event], dict[str, Any]]] | None = None,
    *,
    at: datetime | None = None,
    **planned: Any,
) -> UUID:
    """Append a message that was planned now, or `at`, and what happened to it; return its id."""
    delivery_id, at = uuid4(), at or datetime.now(UTC)
    same: dict[str, Any] = {
        "delivery_id": delivery_id, "lead_id": lead, "channel": DeliveryChannel.EMAIL,
        "purpose": planned.pop("purpose", DeliveryPurpose.MANUAL),
        **{name: planned.pop(name) for name in ("run_id", "step_number") if name in planned},
    }  # fmt: skip
    fields = {"due_at": at, "subject": "Hello", "body": "Hi", "recipient": "a@b.org", **planned}
    first = DeliveryPlanned(**same, **fields)
    later = [kind(**same, **more) for kind, more in events or ()]
    await site.world.append(*(site.world.new(event, at=at) for event in (first, *later)))
    return delivery_id


async def get(site: Site, **query: Any) -> Any:
    """Read as the viewer, with tables that are up to date."""
    await site.project()
    response = await site.client.get(
        DELIVERIES, params={"propertyId": str(site.property_id), **query},
        headers=site.console_headers(site.viewer),
    )  # fmt: skip
    assert response.status_code == 200, response.text
    return response.json()


def ids_of(found: Any) -> list[str]:
    return [message["id"] for message in found["deliveries"]]


async def test_messages_are_listed_and_counted_by_state(site: Site) -> None:
    lead = await site.create_lead(firstName="Ada")
    ids = {
        status: str(await append_message(site, lead, events))
        for status, (events, _) in CASES.items()
    }
    for state in STATES:
        found = await get(site, state=state)
        expected = {ids[status] for status in CASES if STATE_OF[status] == state}
        assert set(ids_of(found)) == expected, state
        for message in found["deliveries"]:
            assert STATE_OF[message["status"]] == state
            assert (message["lead"]["first_name"], message["workflow"]) == ("Ada", None)
    found = await get(site)
    assert ids_of(found) == [
        ids[status] for status in reversed(CASES) if STATE_OF[status] != "sent"
    ]
    assert found["counts"] == {
        "held": 2, "planned": 2, "notSent": 3, "failed": 1, "unknown": 1, "sent": 2,
    }  # fmt: skip
    assert found["countsComplete"] is True


async def test_messages_are_read_page_by_page(site: Site) -> None:
    lead = await site.create_lead()
    at = datetime.now(UTC)
    ids = [str(await append_message(site, lead, at=at)) for _ in range(3)]
    first = await get(site, limit=2)
    second = await get(site, limit=2, cursor=first["nextCursor"])
    assert sorted([*ids_of(first), *ids_of(second)]) == sorted(ids)
    assert (len(ids_of(first)), second["nextCursor"]) == (2, None)
    response = await site.client.get(
        DELIVERIES, params={"propertyId": str(site.property_id), "cursor": "x"},
        headers=site.console_headers(),
    )  # fmt: skip
    assert (response.status_code, response.json()["code"]) == (400, "malformed_cursor")


async def test_old_messages_are_listed_only_while_they_wait(site: Site) -> None:
    lead, now = await site.create_lead(), datetime.now(UTC)
    skipped, later = CASES["skipped"][0], now + 5 * DAY
    old = str(await append_message(site, lead, skipped, at=now - 20 * DAY))
    waits = str(await append_message(site, lead, at=now - 20 * DAY, due_at=later))
    await append_message(site, lead, at=now - 91 * DAY, due_at=later)
    found = await get(site)
    assert ids_of(found) == [waits]
    assert (found["counts"]["planned"], found["counts"]["notSent"]) == (1, 0)
    assert set(ids_of(await get(site, days=30))) == {old, waits}


async def test_the_next_message_is_the_one_that_leaves_first(site: Site) -> None:
    lead, now = await site.create_lead(), datetime.now(UTC)
    assert (await get(site))["next"] is None
    held = {"reason": "quiet_hours", "held_until": now + 2 * DAY}
    first = await append_message(site, lead, [(DeliveryHeld, held)])
    await append_message(site, lead, due_at=now + 3 * DAY)
    found = (await get(site, state="failed"))["next"]
    assert found["id"] == str(first)
    assert found["forecast"]["at"] is not None


async def test_a_property_of_another_organisation_is_not_found(site: Site) -> None:
    lead = await site.create_lead()
    await append_message(site, lead)
    await site.project()
    stranger = await create_profile(await make_world(site.world.pool), "admin")
    response = await site.client.get(
        DELIVERIES, params={"propertyId": str(site.property_id)},
        headers=site.console_headers(stranger),
    )  # fmt: skip
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("query", [{"state": "x"}, {"days": 91}, {"limit": 51}], ids=str)
async def test_a_wrong_parameter_is_refused(site: Site, query: dict[str, Any]) -> None:
    response = await site.client.get(
        DELIVERIES, params={"propertyId": str(site.property_id), **query},
        headers=site.console_headers(),
    )  # fmt: skip
    assert response.status_code == 400


async def test_the_queries_read_an_index_of_the_property(site: Site) -> None:
    """Sequential scans are off: a table of a test is too small for the planner to avoid them."""
    now = datetime.now(UTC)
    window = DeliveryWindow(site.property_id, now - 7 * DAY, now - 90 * DAY)
    queries = {
        "page": delivery_list.page(window, NOT_LEFT, (now, uuid4()), 26),
        "counts": delivery_list.counts(window),
        "next": delivery_list.next_to_leave(window),
    }
    async with site.world.pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL enable_seqscan = off")
        for name, query in queries.items():
            text, values = compile_query(query)
            plan = "\n".join(row[0] for row in await conn.fetch(f"EXPLAIN {text}", *values))
            assert "idx_deliveries_property" in plan, (name, plan)
