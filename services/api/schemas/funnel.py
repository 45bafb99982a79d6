"""Response of the funnel of a property."""

from typing import ClassVar

from services.api.schemas.schema import Examples, ResponseModel, ResponseRow


class SourceRow(ResponseRow):
    """The leads of one source who came in the period; null is an unknown source."""

    source: str | None
    leads: int
    toured: int
    leased: int


class FunnelResponse(ResponseModel):
    """Visitors of the web chat, and the leads who came in the period, by source.

    Each lead counts once. `toured` are leads with a tour that was not cancelled.
    """

    examples: ClassVar[Examples] = {
        "a month": {
            "visitors": 240,
            "sources": [
                {"source": "LumaLeasing Widget", "leads": 31, "toured": 12, "leased": 3},
                {"source": None, "leads": 2, "toured": 0, "leased": 0},
            ],
        }
    }

    visitors: int
    sources: list[SourceRow]
