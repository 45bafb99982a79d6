"""The default workflows and templates: their content, and their copies in a property."""

from uuid import uuid4

from events.leads import LeadStatus
from events.workflows import MessageChannel, TemplateDefined, WorkflowDefined
from services.deciders import templates, workflows
from services.deciders.default_templates import TEMPLATES
from services.deciders.default_workflows import (
    WORKFLOWS,
    default_template,
    default_workflow,
    definition_id,
    template_id,
)
from services.deciders.rendering import parse_variables

UNIVERSAL = {"property_name", "tour_date", "tour_time"}
"""The variables that always have a value."""


def test_the_default_workflows_are_those_of_the_domain() -> None:
    steps = {
        default.content.display_name: [
            (step.action.value, round(step.delay_hours * 3_600), step.template_slug)
            for step in default.content.steps
        ]
        for default in WORKFLOWS
    }
    assert steps == {
        "New Lead Nurture": [
            ("sms", 5 * 60, "new-lead-welcome"), ("email", 24 * 3_600, "new-lead-email"),
            ("sms", 48 * 3_600, "new-lead-reminder"),
        ],
        "Tour No-Show Recovery": [
            ("sms", 2 * 3_600, "tour-no-show-followup"),
            ("email", 24 * 3_600, "tour-no-show-email"),
        ],
        "Post-Tour Follow-Up": [
            ("sms", 4 * 3_600, "post-tour-thanks"),
            ("email", 48 * 3_600, "post-tour-application"),
        ],
    }  # fmt: skip
    assert WORKFLOWS[0].content.exit_conditions == (
        LeadStatus.TOUR_BOOKED, LeadStatus.LEASED, LeadStatus.LOST,
    )  # fmt: skip


def test_every_step_has_a_template_and_every_template_is_inactive() -> None:
    channels = {template.slug: template.channel for template in TEMPLATES}
    assert len(channels) == len(TEMPLATES)
    for default in WORKFLOWS:
        workflows.require_templates(default.content.steps, channels)
    assert not any(template.is_active for template in TEMPLATES)
    for kind in ("confirmation", "change", "cancellation", "reminder-24h", "reminder-1h"):
        for channel in MessageChannel:
            assert channels[f"tour-{kind}-{channel}"] is channel


def test_the_templates_use_only_values_that_always_exist() -> None:
    """A template of a workflow that starts without a tour uses no value of a tour."""
    for template in TEMPLATES:
        variables = parse_variables(template.body) | parse_variables(template.subject or "")
        assert variables <= UNIVERSAL, template.slug
        if not template.slug.startswith("tour-"):
            assert variables == {"property_name"}, template.slug


def test_every_property_has_its_own_copies() -> None:
    property_id, other = uuid4(), uuid4()
    assert template_id(property_id, "a") != template_id(other, "a") != definition_id(other, "a")
    for content in TEMPLATES:
        command = default_template(property_id, content, None)
        (event,) = templates.decide(command, templates.Template())
        assert event.stream_id == template_id(property_id, content.slug)
        assert isinstance(event, TemplateDefined)
        assert (event.seeded, event.change_reason) == (True, "system default")
    for default in WORKFLOWS:
        workflow = default_workflow(property_id, default)
        (event,) = workflows.decide(workflow, workflows.Definition())
        assert event.stream_id == definition_id(property_id, default.key)
        assert isinstance(event, WorkflowDefined)
        assert (event.seeded, event.change_reason) == (True, "system default")
