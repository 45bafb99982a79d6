"""What the examples of workflows are about."""

from typing import Any
from uuid import UUID

from tests.projections.given import LEAD

FLOW, TEMPLATE, RUN, DELIVERY = (UUID(int=n) for n in range(21, 25))
WHO: dict[str, Any] = {"run_id": RUN, "lead_id": LEAD}
