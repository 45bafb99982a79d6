"""The rule of the template: what was withdrawn since the plan is not sent."""

from events.deliveries import DeliveryPurpose
from services.deciders.sending_rules.context import SendingContext
from services.deciders.sending_rules.rule_result import RuleResult, allow, skip

CODE = "template_inactive"


def check_template(context: SendingContext) -> RuleResult:
    """Skip the message if its template was retired or made inactive.

    A test shows a template before it is made active.
    """
    template = context.template
    if template is None or context.planned.purpose is DeliveryPurpose.TEST:
        return allow(CODE)
    values = {"planned_version": context.planned.template_version, "version": template.version}
    if template.content is None or not template.content.is_active:
        return skip(CODE, "the template is not active any more", **values)
    return allow(CODE, **values)
