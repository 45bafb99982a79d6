"""Ids and fields that the examples of workflows share."""

from typing import Any
from uuid import UUID

from tests.projections.given import LEAD

DEFINITION, TEMPLATE, RUN, DELIVERY = (UUID(int=n) for n in range(21, 25))
RUN_FIELDS: dict[str, Any] = {"run_id": RUN, "lead_id": LEAD}
