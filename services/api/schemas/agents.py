"""Response with the console users of an organisation."""

from typing import ClassVar
from uuid import UUID

from services.api.schemas import example
from services.api.schemas.schema import Examples, ResponseModel, ResponseRow


class AgentRow(ResponseRow):
    """A console user as the host has it."""

    id: UUID
    full_name: str | None
    role: str | None


class AgentListResponse(ResponseModel):
    """All console users of the organisation, by name."""

    examples: ClassVar[Examples] = {
        "one": {"agents": [{"id": example.AGENT, "full_name": "Sam Reed", "role": "manager"}]}
    }

    agents: list[AgentRow]
