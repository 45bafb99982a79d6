"""The page of insights: it shows the numbers of the API, and the way from visitors to leases."""

import pytest

from services.api import remembered_numbers
from tests.services.api.console.visits import Visit

FUNNEL = "/api/leadpulse/funnel"


async def read_funnel(visit: Visit, days: int = 30) -> dict[str, object]:
    site = visit.site
    response = await site.client.get(
        FUNNEL, params={"propertyId": str(site.property_id), "days": days},
        headers=site.console_headers(),
    )  # fmt: skip
    assert response.status_code == 200, response.text
    body: dict[str, object] = response.json()
    return body


async def test_an_empty_property_is_shown_in_words(viewer: Visit) -> None:
    shown = await viewer.open(viewer.at_property("insights"))
    assert shown.status == 200
    assert shown.answer == "0 leads came in the last 30 days; 0 booked a tour and 0 leased."
    assert "No lead came in these days" in shown.text
    assert "0 for each 100 sessions; there were 0 sessions" in shown.text


async def test_visitors_leads_tours_and_leases_are_counted_once_by_source(viewer: Visit) -> None:
    site = viewer.site
    await site.send_chat("hello")
    toured, leased, *_ = [
        await site.create_lead(source="Zillow & <b>friends</b>") for _ in range(3)
    ]
    await site.create_lead(source="phone")
    await site.book_tour(toured)
    tour = await site.book_tour(leased, tourTime="15:00")
    await site.client.delete(
        f"/api/leads/{leased}/tours", params={"tourId": tour["id"]}, headers=site.console_headers()
    )
    await site.client.patch(
        "/api/leads", json={"leadId": str(leased), "status": "leased"},
        headers=site.console_headers(),
    )  # fmt: skip
    await site.project()
    assert await read_funnel(viewer) == {
        "visitors": 1,
        "sources": [
            {"source": "Zillow & <b>friends</b>", "leads": 3, "toured": 1, "leased": 1},
            {"source": "phone", "leads": 1, "toured": 0, "leased": 0},
        ],
    }
    shown = await viewer.open(viewer.at_property("insights"))
    assert shown.answer == "4 leads came in the last 30 days; 1 booked a tour and 1 leased."
    assert "Zillow & <b>friends</b>" in shown.text
    assert shown.tree.xpath("//td/a[contains(@href, 'source=Zillow+%26')]")
    [phone] = shown.tree.xpath("//td/a[contains(@href, 'source=phone')]")
    assert phone.text == "Phone"
    assert "0 for each 100 sessions; there was 1 session" in shown.text


async def test_a_wrong_period_is_refused_in_words(viewer: Visit) -> None:
    for days in ("0", "367", "x"):
        shown = await viewer.open(viewer.at_property(f"insights?days={days}"))
        assert shown.status == 400
        assert "choose a number from 1 to 366" in shown.text


async def test_the_numbers_are_those_of_the_api(viewer: Visit) -> None:
    site = viewer.site
    await site.create_lead(firstName="Ada", phone="+12125550123", source="Walk-in")
    await site.project()
    shown = await viewer.open(viewer.at_property("insights?days=7"))
    response = await site.client.get(
        "/api/leadpulse/insights", params={"propertyId": str(site.property_id), "days": 7},
        headers=site.console_headers(),
    )  # fmt: skip
    insights = response.json()["insights"]
    assert f"their average is {insights['avgScore']}." in shown.text
    for bucket in insights["distribution"]:
        row = shown.tree.xpath(f"//tr[td/span[@class='tag {bucket['bucket']}']]")[0]
        assert row.xpath("td[2]")[0].text == str(bucket["count"])


@pytest.mark.parametrize(("many_rows", "is_remembered"), [(5_000, False), (0, True)])
async def test_numbers_that_may_be_old_are_called_so(
    viewer: Visit, monkeypatch: pytest.MonkeyPatch, many_rows: int, is_remembered: bool
) -> None:
    monkeypatch.setattr(remembered_numbers, "MANY_ROWS", many_rows)
    await viewer.site.create_lead()
    await viewer.site.project()
    shown = await viewer.open(viewer.at_property("insights"))
    assert ("may be up to 30 seconds old" in shown.text) is is_remembered
    for _ in range(2):
        response = await viewer.site.client.get(
            FUNNEL, params={"propertyId": str(viewer.site.property_id), "days": 30},
            headers=viewer.site.console_headers(),
        )  # fmt: skip
        assert ("Age" in response.headers) is is_remembered
