"""Merged leads: which one of them the others are known by, and what all of them make together.

Rows of `lead_score_state`, held in memory. A lead points to the one it was merged into, which may
have been merged itself; the one at the top is scored, with the facts of all below it.
"""

from typing import Any, Protocol, TypeAlias
from uuid import UUID

from projections.scoring.inputs import ScoringInputs, together

Row: TypeAlias = dict[str, Any]


class Rows(Protocol):
    """Rows by lead, as the engine holds them in memory."""

    def get(self, key: UUID) -> Row | None:
        """None where there is none."""

    def change(self, key: UUID) -> Row:
        """The row, to be changed in place. Raises `LookupError` where there is none."""


def top_of(rows: Rows, row: Row) -> Row:
    """The row of the lead that this one is known by, to be changed."""
    lead_id: UUID = row["lead_id"]
    while row["merged_into"] is not None:
        lead_id = row["merged_into"]
        row = rows.get(lead_id) or {"merged_into": None}
    return rows.change(lead_id)


def whole(rows: Rows, row: Row) -> ScoringInputs:
    """The facts of a lead and of all merged into it: its own, where there are none."""
    if not row["merged"]:
        own: ScoringInputs = row["facts"]
        return own
    return together(row["facts"], [each["facts"] for each in _below(rows, row)])


def tie(loser: Row, winner: Row, top: Row) -> None:
    """Let `loser` point to `winner`, whose top is `top`.

    Raises `ValueError` for what no decision allows: a loser twice, or a circle.
    """
    if loser["merged_into"] is not None:
        raise ValueError(f"lead {loser['lead_id']} is merged already")
    if top["lead_id"] == loser["lead_id"]:
        raise ValueError(f"lead {winner['lead_id']} is merged into {loser['lead_id']}")
    loser["merged_into"] = winner["lead_id"]
    loser["merged"] = loser["merged"] or []
    winner["merged"] = [*(winner["merged"] or []), str(loser["lead_id"])]


def untie(loser: Row, winner: Row) -> None:
    """Let `loser` stand for itself again. Raises `ValueError` where it was not merged so."""
    if loser["merged_into"] != winner["lead_id"]:
        raise ValueError(f"lead {loser['lead_id']} is not merged into {winner['lead_id']}")
    loser["merged_into"] = None
    winner["merged"] = [one for one in winner["merged"] if one != str(loser["lead_id"])]
    for row in (loser, winner):
        if not row["merged"] and row["merged_into"] is None:
            row["merged"] = None


def _below(rows: Rows, row: Row) -> list[Row]:
    """Everything merged into a lead, directly or not, in the order of the merges."""
    found: list[Row] = []
    for one in row["merged"]:
        below = rows.get(UUID(one))
        if below is None:
            raise LookupError(f"there is no lead {one} to fold")
        found += [below, *_below(rows, below)]
    return found
