"""The reason that a form asks for."""

from services.api.console.forms import Form
from services.api.problems import Problem


def require_reason(form: Form) -> str:
    """Return the field `reason`. Raise 400 without one."""
    reason = form.get("reason", "")
    if not reason:
        raise Problem(400, "no_reason", "give a reason: it is kept with the action")
    return reason
