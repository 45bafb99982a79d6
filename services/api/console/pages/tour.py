"""A tour: its facts, and the forms that move it or record what became of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from events.deliveries import DeliveryPurpose
from events.timers import NO_SHOW_DELAY
from events.tours import TourStatus
from services.api.console.days import describe_moment
from services.api.console.endpoints import command_id, form_route, page_route
from services.api.console.forms import Done, Form
from services.api.console.lead_answers import name_lead
from services.api.console.page import Page
from services.api.console.times import parse_instant
from services.api.console.tour_effects import (
    describe_effects,
    describe_notice,
    read_consequences,
)
from services.api.console.tour_times import entered, read_free_slots, read_time
from services.api.console.tour_weeks import has_begun, is_live
from services.deciders.workflows import Trigger


@dataclass(frozen=True, slots=True)
class Outcome:
    """A status that a form gives a tour, with the words of its title, button and notice.

    `notice` is the purpose of the message that the lead may get.
    """

    action: str
    status: TourStatus
    trigger: Trigger
    verb: str
    done: str
    notice: DeliveryPurpose | None = None
    is_for_begun: bool = False


OUTCOMES = (
    Outcome(
        "confirm", TourStatus.CONFIRMED, Trigger.TOUR_CONFIRMED, "Confirm", "is confirmed",
        DeliveryPurpose.TOUR_CONFIRMATION,
    ),
    Outcome(
        "complete", TourStatus.COMPLETED, Trigger.TOUR_COMPLETED, "Complete", "took place",
        is_for_begun=True,
    ),
    Outcome(
        "no-show", TourStatus.NO_SHOW, Trigger.TOUR_NO_SHOW, "Record a no-show for",
        "is recorded as a no-show", is_for_begun=True,
    ),
    Outcome(
        "cancel", TourStatus.CANCELLED, Trigger.TOUR_CANCELLED, "Cancel", "is cancelled",
        DeliveryPurpose.TOUR_CANCELLATION,
    ),
)  # fmt: skip


async def find_tour(page: Page) -> dict[str, Any]:
    """Return the tour of the page, at whose property the page then is. Raise 404."""
    found = await page.api.get(f"/api/tours/{page.id('tour_id')}")
    tour: dict[str, Any] = found["tour"]
    page.at_property(tour["property_id"])
    return tour


async def show_tour(page: Page) -> Response:
    """Show one tour with its actions."""
    tour = await find_tour(page)
    starts_at = parse_instant(tour["starts_at"])
    ends_at = starts_at + timedelta(minutes=tour["duration_minutes"])
    is_begun = has_begun(tour, page.now)
    return page.render(
        "tour.html", tour=tour, name=name_lead(tour["lead"]), is_begun=is_begun,
        moment=describe_moment(starts_at, page.now, page.here.zone),
        no_show_at=ends_at + NO_SHOW_DELAY if is_live(tour) else None,
        outcomes=[outcome for outcome in OUTCOMES if _is_possible(outcome, tour, is_begun)],
        can_move=is_live(tour), week=_week_of(page, tour),
    )  # fmt: skip


def _is_possible(outcome: Outcome, tour: dict[str, Any], is_begun: bool) -> bool:
    """Return whether a tour may get a status now; a no-show can be corrected."""
    if tour["status"] == TourStatus.NO_SHOW:
        return outcome.status is TourStatus.COMPLETED
    if not is_live(tour) or tour["status"] == outcome.status:
        return False
    return is_begun or not outcome.is_for_begun


def _week_of(page: Page, tour: dict[str, Any]) -> str:
    return f"{page.here.path('tours')}?week={tour['tour_date']}"


def _prepare(outcome: Outcome) -> Callable[[Page], Awaitable[dict[str, Any]]]:
    async def prepare(page: Page) -> dict[str, Any]:
        tour = await find_tour(page)
        parts = await read_consequences(page, tour["lead"]["id"])
        lead = parts.get("lead", "lead", tour["lead"])
        return {
            **_shown(page, tour), "outcome": outcome,
            "is_possible": _is_possible(outcome, tour, has_begun(tour, page.now)),
            "effects": describe_effects(outcome.trigger, lead, parts),
            "notice": describe_notice(outcome.notice, parts) if outcome.notice else None,
            "is_correction": tour["status"] == TourStatus.NO_SHOW,
        }  # fmt: skip

    return prepare


def _shown(page: Page, tour: dict[str, Any]) -> dict[str, Any]:
    moment = describe_moment(parse_instant(tour["starts_at"]), page.now, page.here.zone)
    return {
        "tour": tour, "name": name_lead(tour["lead"]), "moment": moment,
        "back": f"/console/tours/{tour['id']}",
    }  # fmt: skip


def _perform(outcome: Outcome) -> Callable[[Page, Form], Awaitable[Done]]:
    async def set_tour_status(page: Page, form: Form) -> Done:
        tour = await find_tour(page)
        await _change(page, form, tour, {"status": outcome.status.value})
        return Done(
            _week_of(page, tour), f"The tour of {name_lead(tour['lead'])} {outcome.done}.",
            f"/console/tours/{tour['id']}",
        )  # fmt: skip

    set_tour_status.__name__ = f"{outcome.action.replace('-', '_')}_tour"
    return set_tour_status


async def prepare_move(page: Page) -> dict[str, Any]:
    """Return the tour, and the free slots of the day to which it is to be moved."""
    tour = await find_tour(page)
    day = entered(page).get("date") or tour["tour_date"]
    parts = await read_consequences(page, tour["lead"]["id"])
    return {
        **_shown(page, tour), "day": day, "can_move": is_live(tour), "query": entered(page),
        "notice": describe_notice(DeliveryPurpose.TOUR_CHANGE, parts),
        **await read_free_slots(page, day),
    }  # fmt: skip


async def move_tour(page: Page, form: Form) -> Done:
    """Move a tour to another time."""
    tour = await find_tour(page)
    found = await _change(page, form, tour, read_time(form))
    moved = found["tour"]
    return Done(
        _week_of(page, moved),
        f"The tour of {name_lead(tour['lead'])} is on {moved['tour_date']} at "
        f"{moved['tour_time'][:5]} now.",
        f"/console/tours/{tour['id']}",
    )  # fmt: skip


async def _change(page: Page, form: Form, tour: dict[str, Any], changes: dict[str, Any]) -> Any:
    body = {"tourId": tour["id"], **changes, "sendNotification": "notify" in form}
    path = f"/api/leads/{tour['lead']['id']}/tours"
    return await page.api.write("PATCH", path, body, command_id=command_id(form))


def _outcome_routes() -> tuple[Route, ...]:
    return tuple(
        form_route(
            f"/tours/{{tour_id}}/{outcome.action}",
            "tour_outcome.html",
            _prepare(outcome),
            _perform(outcome),
        )
        for outcome in OUTCOMES
    )


ROUTES = (
    page_route("/tours/{tour_id}", show_tour, is_personal=False),
    form_route("/tours/{tour_id}/move", "tour_move.html", prepare_move, move_tour),
    *_outcome_routes(),
)
