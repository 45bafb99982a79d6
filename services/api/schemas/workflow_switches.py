"""Request that activates or deactivates a workflow definition."""

from typing import ClassVar

from events.fields import Number, Text
from services.api.schemas.schema import Examples, RequestModel


class ActivationRequest(RequestModel):
    """An activation or deactivation. `version` is the version that was reviewed."""

    examples: ClassVar[Examples] = {"at once": {}, "for a while": {"reason": "Summer break."}}
    may_be_absent: ClassVar[bool] = True

    version: Number | None = None
    reason: Text | None = None
