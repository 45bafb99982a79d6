"""Names of time zones: a property is in a place. Each case names the source of its rule."""

import pytest

from services.deciders.decider import Refused
from services.deciders.local_time import load_zone
from tests.services.api.site import Site

THEORY = "IANA tz, theory.html: names are Area/Location"
BACKWARD = "IANA tz, backward: an old name of a place"
FACTORY = "IANA tz, factory: no zone was set"
MACHINE = "tzcode: the zone of this machine"
FIXED = "IANA tz, etcetera and northamerica: an offset or a rule, no place"

PLACES = [
    ("America/New_York", THEORY), ("America/Indiana/Knox", THEORY), ("Europe/Kyiv", THEORY),
    ("Europe/Kiev", BACKWARD), ("US/Eastern", BACKWARD), ("Japan", BACKWARD), ("UTC", "no place"),
]  # fmt: skip
OTHERS = [
    ("localtime", MACHINE), ("posixrules", MACHINE), ("posix/Europe/London", MACHINE),
    ("right/Europe/London", MACHINE), ("Factory", FACTORY), ("EST", FIXED), ("EST5EDT", FIXED),
    ("CET", FIXED), ("GMT", FIXED), ("Etc/GMT+5", FIXED), ("Etc/Unknown", "CLDR"),
    ("Mars/Olympus", THEORY), ("america/new_york", THEORY), ("America", THEORY), ("", THEORY),
    ("zone.tab", "a file of the database"), ("../UTC", "a path"), ("America/../Factory", "a path"),
    ("undefined", "ECMA-262, ToString of undefined"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "source"), PLACES)
def test_a_place_is_a_time_zone(name: str, source: str) -> None:
    assert load_zone(name).key == name, source


@pytest.mark.parametrize(("name", "source"), OTHERS)
def test_a_name_that_is_no_place_is_refused(name: str, source: str) -> None:
    with pytest.raises(Refused) as caught:
        load_zone(name)
    assert caught.value.code == "unknown_zone", source


@pytest.mark.parametrize("zone", ["localtime", "Factory", "EST5EDT"])
async def test_a_property_in_such_a_zone_has_no_tours(site: Site, zone: str) -> None:
    async with site.world.pool.acquire() as conn:
        await conn.execute("UPDATE properties SET settings = $1", {"timezone": zone})
    lead = await site.create_lead()
    response = await site.client.post(
        f"/api/leads/{lead}/tours", json={"tourDate": "2036-06-01", "tourTime": "14:00"},
        headers=site.console_headers(),
    )  # fmt: skip
    assert (response.status_code, response.json()["code"]) == (422, "unknown_zone")
