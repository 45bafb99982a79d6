"""Differences between two states of rows, with personal values hidden."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from projections.engine.derived_table import DerivedTable

HIDDEN = "(personal, hidden)"
"""The text that stands for a personal value. An empty value stays empty: it says nothing."""
MAX_VALUE_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class RowDifference:
    """A row that differs; `columns`: name → (old, new), for a comparison (live, rebuilt)."""

    key: str
    columns: dict[str, tuple[Any, Any]]

    def __str__(self) -> str:
        values = ", ".join(
            f"{name}: {old!r} → {new!r}" for name, (old, new) in self.columns.items()
        )
        return f"{self.key}: {values}"

    def masked(self, table: DerivedTable) -> "RowDifference":
        """Return the difference without the values of personal columns; long ones are shortened."""
        personal = table.erased_values
        columns: dict[str, tuple[Any, Any]] = {}
        for name, (old, new) in self.columns.items():
            show = _mask if name in personal else _shorten
            columns[name] = show(old), show(new)
        return RowDifference(self.key, columns)


def find_different_columns(
    old: Mapping[str, Any], new: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """Return the columns whose values differ: name → (old, new). A missing column is None."""
    names = list({**old, **new})
    return {
        name: (old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)
    }


def _mask(value: Any) -> Any:
    return None if value is None else HIDDEN


def _shorten(value: Any) -> Any:
    text = str(value)
    return value if len(text) <= MAX_VALUE_CHARACTERS else text[:MAX_VALUE_CHARACTERS] + "…"
