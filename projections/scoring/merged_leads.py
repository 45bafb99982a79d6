"""Merged leads: which lead of a merge is scored, and the scoring inputs of all its leads together.

The functions work on rows of `lead_score_state` in memory. A lead points to the lead that it was
merged into, which may be merged itself. The lead at the top is scored, with the inputs of all.
"""

from typing import Any, Protocol, TypeAlias
from uuid import UUID

from projections.scoring.inputs import ScoringInputs, combine

Row: TypeAlias = dict[str, Any]


class StateRows(Protocol):
    """State rows by lead id, as the engine keeps them in memory."""

    def get(self, key: UUID) -> Row | None:
        """Return the row, or None if there is none."""

    def change(self, key: UUID) -> Row:
        """Return the row to change it in place. Raise `LookupError` if there is none."""


def top_of(rows: StateRows, row: Row) -> Row:
    """Return the row of the top lead to change it."""
    lead_id: UUID = row["lead_id"]
    while row["merged_into"] is not None:
        lead_id = row["merged_into"]
        row = rows.get(lead_id) or {"merged_into": None}
    return rows.change(lead_id)


def combined_inputs(rows: StateRows, row: Row) -> ScoringInputs:
    """Return the inputs of a lead and of all leads merged into it.

    Without merged leads these are the lead's own inputs, not a copy.
    """
    if not row["merged"]:
        own: ScoringInputs = row["inputs"]
        return own
    return combine(row["inputs"], [lead["inputs"] for lead in _leads_below(rows, row)])


def link(loser: Row, winner: Row, top: Row) -> None:
    """Let `loser` point to `winner`, whose top lead is `top`.

    Raise `ValueError` if the loser is merged already, or if the links would form a circle. No
    decider allows either.
    """
    if loser["merged_into"] is not None:
        raise ValueError(f"lead {loser['lead_id']} is merged already")
    if top["lead_id"] == loser["lead_id"]:
        raise ValueError(f"lead {winner['lead_id']} is merged into {loser['lead_id']}")
    loser["merged_into"] = winner["lead_id"]
    loser["merged"] = loser["merged"] or []
    winner["merged"] = [*(winner["merged"] or []), str(loser["lead_id"])]


def unlink(loser: Row, winner: Row) -> None:
    """Undo `link`. Raise `ValueError` if `loser` does not point to `winner`."""
    if loser["merged_into"] != winner["lead_id"]:
        raise ValueError(f"lead {loser['lead_id']} is not merged into {winner['lead_id']}")
    loser["merged_into"] = None
    winner["merged"] = [lead_id for lead_id in winner["merged"] if lead_id != str(loser["lead_id"])]
    for row in (loser, winner):
        if not row["merged"] and row["merged_into"] is None:
            row["merged"] = None


def _leads_below(rows: StateRows, row: Row) -> list[Row]:
    """Return all leads merged into a lead, directly or not, in the order of the merges."""
    below: list[Row] = []
    for lead_id in row["merged"]:
        merged = rows.get(UUID(lead_id))
        if merged is None:
            raise LookupError(f"there is no lead {lead_id} to score")
        below += [merged, *_leads_below(rows, merged)]
    return below
