"""The rule of the tour: a message about a tour is not sent after the tour changed."""

from services.deciders.sending_rules.context import SendingContext
from services.deciders.sending_rules.rule_result import RuleResult, allow, skip
from services.deciders.tour_messages import CHANGED, TEMPLATE_OF, find_end


def check_tour(context: SendingContext) -> RuleResult:
    """Skip a message about an older revision of a tour, or one that its status makes useless."""
    planned, tour = context.planned, context.tour
    if tour is None or planned.purpose not in TEMPLATE_OF:
        return allow(CHANGED)
    values = {
        "planned_revision": planned.tour_revision, "revision": tour.revision,
        "status": tour.status.value,
    }  # fmt: skip
    end = find_end(tour, planned.tour_revision or tour.revision, planned.purpose)
    if end is None:
        return allow(CHANGED, **values)
    code, detail = end
    return skip(code, detail, **values)
