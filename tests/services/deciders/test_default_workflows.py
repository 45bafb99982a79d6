"""Defaults: the system's workflows are what the domain says, and can be told of any property."""

from uuid import uuid4

from events.leads import LeadStatus
from events.workflows import MessageChannel
from services.deciders import templates, workflows
from services.deciders.default_workflows import (
    TEMPLATES,
    WORKFLOWS,
    definition_id,
    template_id,
    template_of,
    workflow_of,
)
from services.deciders.rendering import variables_of

ALWAYS_KNOWN = {"property_name", "tour_date", "tour_time"}


def told() -> dict[str, list[tuple[str, float, str | None]]]:
    return {
        each.written.display_name: [
            (step.action.value, round(step.delay_hours * 60), step.template_slug)
            for step in each.written.steps
        ]
        for each in WORKFLOWS
    }


def test_the_workflows_are_those_of_the_domain() -> None:
    assert told() == {
        "New Lead Nurture": [
            ("sms", 5, "new-lead-welcome"), ("email", 24 * 60, "new-lead-email"),
            ("sms", 48 * 60, "new-lead-reminder"),
        ],
        "Tour No-Show Recovery": [
            ("sms", 120, "tour-no-show-followup"), ("email", 24 * 60, "tour-no-show-email"),
        ],
        "Post-Tour Follow-Up": [
            ("sms", 240, "post-tour-thanks"), ("email", 48 * 60, "post-tour-application"),
        ],
    }  # fmt: skip
    assert WORKFLOWS[0].written.exit_conditions == (
        LeadStatus.TOUR_BOOKED, LeadStatus.LEASED, LeadStatus.LOST,
    )  # fmt: skip


def test_every_step_has_its_text_and_every_text_is_inactive() -> None:
    channels = {one.slug: one.channel for one in TEMPLATES}
    assert len(channels) == len(TEMPLATES)
    for each in WORKFLOWS:
        workflows.demand_templates(each.written.steps, channels)
    assert not any(one.is_active for one in TEMPLATES)
    for kind in ("confirmation", "reminder-24h", "reminder-1h"):
        for channel in MessageChannel:
            assert channels[f"tour-{kind}-{channel}"] is channel


def test_the_texts_speak_only_of_what_is_always_known() -> None:
    """And a workflow that begins without a tour speaks of none."""
    for one in TEMPLATES:
        said = variables_of(one.body) | variables_of(one.subject or "")
        assert said <= ALWAYS_KNOWN, one.slug
        if not one.slug.startswith("tour-"):
            assert said == {"property_name"}, one.slug


def test_every_property_has_its_own() -> None:
    host_property, other = uuid4(), uuid4()
    assert template_id(host_property, "a") != template_id(other, "a") != definition_id(other, "a")
    for wording in TEMPLATES:
        (event,) = templates.decide(template_of(host_property, wording, None), templates.Template())
        assert event.stream_id == template_id(host_property, wording.slug)
    for default in WORKFLOWS:
        (event,) = workflows.decide(workflow_of(host_property, default), workflows.Definition())
        assert event.stream_id == definition_id(host_property, default.key)
