"""Events of a site in the log, for stories: who did it, why, and what it says."""

from typing import Any

from tests.services.api.site import Site
from tests.stored_events import read_stored_events

Row = dict[str, Any]


async def read_events(site: Site, event_type: str) -> list[Row]:
    """Return the events of a type of the site's organisation, oldest first."""
    return await read_stored_events(
        site.world.pool, "event_type = $1 AND org_id = $2", event_type, site.world.org_id
    )


async def read_event(site: Site, event_name: str, **expected: Any) -> Row:
    """Return the newest event of a type; fail if a field of its payload is another one."""
    events = await read_events(site, event_name)
    assert events, f"no {event_name} in the log"
    payload = events[-1]["payload"]
    assert {name: payload.get(name) for name in expected} == expected
    return events[-1]


async def read_reason(site: Site, event: Row) -> str:
    """Return the newest reason that a person gave for changes of what an event is about."""
    for found in reversed(await read_events(site, "change.explained")):
        if found["correlation_id"] == event["correlation_id"]:
            assert found["actor"] == event["actor"]
            return str(found["payload"]["reason"])
    raise AssertionError(f"nobody explained {event['event_type']}")


async def read_api(site: Site, path: str, **query: str) -> Any:
    """Return what the API answers to a viewer of the site, once its tables are level."""
    await site.project()
    response = await site.client.get(path, params=query, headers=site.console_headers(site.viewer))
    assert response.status_code == 200, response.text
    return response.json()
