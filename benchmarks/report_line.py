"""One line of the report."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ReportLine:
    """A measurement with the one it is compared with; `target` bounds the ratio."""

    what: str
    value: str
    reference: str
    reference_value: str
    ratio: float | None = None
    target: float | None = None
    is_maximum: bool = False

    @property
    def is_met(self) -> bool | None:
        if self.ratio is None or self.target is None:
            return None
        return self.ratio <= self.target if self.is_maximum else self.ratio >= self.target
