"""The timeline of a lead, over HTTP."""

from tests.services.api.site import Site


async def test_the_timeline_lists_everything_newest_first_in_pages(site: Site) -> None:
    first = await site.send_chat("hello", leadInfo={"firstName": "Ada", "email": "ada@example.com"})
    await site.send_chat("more", sessionId=first["sessionId"])
    async with site.world.pool.acquire() as conn:
        lead = await conn.fetchval("SELECT owner FROM crm.claims WHERE kind = 'lead.email'")
    await site.book_tour(lead)
    await site.project()
    url = f"/api/leads/{lead}/timeline"
    whole = (
        await site.client.get(url, params={"limit": 200}, headers=site.console_headers())
    ).json()
    assert {item["kind"] for item in whole["items"]} == {
        "activity", "engagement", "score", "message", "tour",
    }  # fmt: skip
    assert whole["nextCursor"] is None
    pages, cursor = [], None
    while True:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await site.client.get(url, params=query, headers=site.console_headers())).json()
        pages += page["items"]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert pages == whole["items"]
    assert [item["at"] for item in pages] == sorted((item["at"] for item in pages), reverse=True)
    activities = await site.client.get(
        f"/api/leads/{lead}/activities", headers=site.console_headers()
    )
    assert {"lead_created", "chat_started", "message_received", "tour_scheduled"} <= {
        activity["type"] for activity in activities.json()["activities"]
    }
    for malformed in ("x", "e30", "WzEsMiwzXQ"):
        response = await site.client.get(
            url, params={"cursor": malformed}, headers=site.console_headers()
        )
        assert response.status_code == 400
