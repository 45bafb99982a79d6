"""The key by which insights count leads with equal factors."""

from projections.scoring.v1 import Factor, factors_key


def factor(name: str, impact: int = 8) -> Factor:
    return {
        "factor": name, "impact": f"{impact:+d}", "type": "positive" if impact > 0 else "negative"
    }  # fmt: skip


def test_impacts_numbers_of_events_and_the_limit_do_not_count() -> None:
    few, many = factor("High engagement (3 events)"), factor("High engagement (41 events)", 40)
    assert factors_key([few]) == factors_key([many]) == factors_key([many, factor("Limit", -9)])


def test_other_names_types_and_borders_of_names_give_other_keys() -> None:
    lists = [
        [], [factor("Timing")], [factor("Timing", -1)], [factor("Timing"), factor("Name")],
        [factor("TimingName")], [factor("Source: (3 events) b")], [factor("Source: (4 events) b")],
    ]  # fmt: skip
    assert len({factors_key(factors) for factors in lists}) == len(lists)


def test_a_key_is_a_bigint() -> None:
    keys = [factors_key([factor(f"Source: {number}")]) for number in range(200)]
    assert min(keys) >= -(2**63)
    assert max(keys) < 2**63
    assert min(keys) < 0 < max(keys)
