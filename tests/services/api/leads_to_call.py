"""Leads with a past, for the tests of what agents have to do today."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from events.leads import ContactChannel, LeadCaptured, LeadContacted
from tests.services.api.site import Site


async def capture_lead(site: Site, at: datetime, **details: Any) -> UUID:
    """Append a lead who has a name, an e-mail address and a phone number: while new, it is warm."""
    lead = uuid4()
    fields = {
        "lead_id": lead, "source": "Referral", "email": f"{lead.int}@example.com",
        "phone": "+12125550123", "first_name": "Ada", "last_name": "Lovelace", **details,
    }  # fmt: skip
    await site.world.append(site.world.new(LeadCaptured.model_validate(fields), at=at))
    return lead


async def make_hot(site: Site, lead: UUID, at: datetime) -> None:
    """Append an application, after which a warm lead is hot."""
    event = site.world.engagement(lead, "application_submitted")
    await site.world.append(site.world.new(event, at=at))


async def capture_hot_lead(site: Site, at: datetime, **details: Any) -> UUID:
    """Append a lead that becomes hot at an instant, an hour after it came."""
    lead = await capture_lead(site, at - timedelta(hours=1), **details)
    await make_hot(site, lead, at)
    return lead


async def contact_lead(site: Site, lead: UUID, at: datetime) -> None:
    """Append a call of an agent."""
    event = LeadContacted(lead_id=lead, channel=ContactChannel.CALL)
    await site.world.append(site.world.new(event, at=at))
