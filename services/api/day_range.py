"""A range of local days in a request."""

from datetime import date, timedelta

from services.api.problems import Problem
from services.deciders.local_time import EARLIEST_YEAR, LATEST_YEAR

MAX_DAYS = 92


def parse_day_range(
    first: date, last: date | None, default_days: int, names: tuple[str, str]
) -> tuple[date, date]:
    """Return the first and the last day; without a last one, it is `default_days` after the first.

    Raise 400 for a range that is reversed or too long. `names` are those of the parameters.
    """
    # Checked before days are added: dates near year 9999 would overflow.
    if EARLIEST_YEAR < first.year < LATEST_YEAR:
        end = last or first + timedelta(days=default_days)
        if 0 <= (end - first).days < MAX_DAYS:
            return first, end
    raise Problem(
        400, "invalid_range",
        f"the range from {first} to {last or 'its default end'} is not valid: send a {names[0]} "
        f"that is not after {names[1]}, and at most {MAX_DAYS} days",
    )  # fmt: skip
