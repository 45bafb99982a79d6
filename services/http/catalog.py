"""The one list of routers: a noun's routes are added here and nowhere else."""

from services.http import (
    chat,
    deliveries,
    leadpulse,
    leads,
    runs,
    slots,
    templates,
    tours,
    widget_admin,
    widgets,
    workflows,
)

ROUTERS = (
    chat.router, widgets.router, widget_admin.router, leads.router, slots.router,
    tours.router,
    leadpulse.router, workflows.router, templates.router, runs.router, deliveries.router,
)  # fmt: skip
