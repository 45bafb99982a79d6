"""Contact details that a visitor leaves in the widget, over HTTP."""

from tests.services.api.site import WIDGET_LEAD, Site


async def test_contact_details_of_a_session_create_its_lead(site: Site) -> None:
    first = await site.send_chat("hello")
    body = {
        "sessionId": first["sessionId"], "firstName": "Ada", "lastName": "", "email": "a@b.co",
        "phone": "", "moveInDate": "2027-02-01", "bedroomPreference": 2, "notes": "a dog",
    }  # fmt: skip
    response = await site.client.post(WIDGET_LEAD, json=body, headers=site.widget_headers())
    assert response.status_code == 200, response.text
    again = await site.client.post(
        WIDGET_LEAD,
        json={"leadInfo": {"email": "A@B.co", "phone": "212 555 0100"}},
        headers=site.widget_headers(),
    )
    assert again.status_code == 200
    await site.project()
    async with site.world.pool.acquire() as conn:
        row = await conn.fetchrow("SELECT * FROM leads")
        session = await conn.fetchrow("SELECT * FROM widget_sessions")
        conversation = await conn.fetchrow("SELECT * FROM conversations")
        notes = await conn.fetchval("SELECT count(*) FROM lead_activities WHERE type = 'note'")
    assert row is not None
    assert session is not None
    assert conversation is not None
    assert (row["bedrooms"], row["notes"], row["phone"]) == ("2", "a dog", "+12125550100")
    assert session["lead_id"] == conversation["lead_id"] == row["id"]
    assert notes == 1
    without_contact = await site.client.post(
        WIDGET_LEAD, json={"firstName": "Ada"}, headers=site.widget_headers()
    )
    assert (without_contact.status_code, without_contact.json()["code"]) == (400, "no_contact")
