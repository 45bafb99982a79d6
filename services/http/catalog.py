"""The one list of routers: a noun's routes are added here and nowhere else."""

from services.http import (
    activities,
    chat,
    deliveries,
    insights,
    lead_list,
    leadpulse,
    leads,
    merges,
    runs,
    slots,
    templates,
    tours,
    widget_admin,
    widgets,
    workflows,
)

ROUTERS = (
    chat.router, widgets.router, widget_admin.router,
    leads.router, lead_list.router, activities.router, merges.router,
    slots.router, tours.router,
    leadpulse.router, insights.router,
    workflows.router, templates.router, runs.router, deliveries.router,
)  # fmt: skip
