"""The use case of a preview: a template as a lead would get it, made by the renderer that sends.

Nothing is written and nothing is sent.
"""

from dataclasses import dataclass
from uuid import UUID

from events.record import Stream
from events.workflows import MessageChannel
from services.application.deliveries import load_message_values
from services.application.unit_of_work import UnitOfWork
from services.deciders import templates
from services.deciders.decider import UnknownSubject
from services.deciders.rendering import VARIABLES, render, variables_in
from services.deciders.templates import TemplateContent


@dataclass(frozen=True, slots=True)
class TemplatePreview:
    """A message as the lead would get it. Variables in `missing` have no value: they are shown.

    With a missing value the message is not sent.
    """

    channel: MessageChannel
    version: int
    subject: str | None
    body: str
    values: dict[str, str]
    missing: list[str]


async def preview_template(uow: UnitOfWork, template_id: UUID, lead_id: UUID) -> TemplatePreview:
    """Return the newest version of a template, active or not, with the lead's values.

    Raises `Refused`.
    """
    template = await uow.load(templates.decider, template_id)
    content = template.content
    if content is None:
        raise UnknownSubject(Stream("template", template_id))
    texts = _texts_of(content)
    known = await load_message_values(uow, lead_id, texts)
    used = [name for name in VARIABLES if any(name in variables_in(text) for text in texts)]
    values = {name: known.get(name) or "" for name in used}
    missing = [name for name in used if not values[name].strip()]
    shown = values | {name: "{{" + name + "}}" for name in missing}
    body, *more = [render(text, shown) for text in texts]
    found = {name: value for name, value in values.items() if name not in missing}
    subject = more[0] if more else None
    return TemplatePreview(content.channel, template.version, subject, body, found, missing)


def _texts_of(content: TemplateContent) -> list[str]:
    if content.channel is MessageChannel.SMS:
        return [content.body]
    return [content.body, content.subject or ""]
