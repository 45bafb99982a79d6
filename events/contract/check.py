"""Whether today's catalog keeps the promises of the last released contract."""

from collections.abc import Iterator, Mapping
from typing import Any

from events.contract.compare import Change, Verdict, changes
from events.contract.describe import Contract
from events.upcasts import UPCASTS

_FIXED = ("stream", "entity", "intake")


def judged(
    released: Contract, current: Contract, upcasts: Mapping[tuple[str, int], Any] = UPCASTS
) -> list[Change]:
    """Every difference between two contracts, the incompatible ones first."""
    before, after = released["events"], current["events"]
    found: list[Change] = []
    for name, event in before.items():
        if name in after:
            found += _event(name, event, after[name], upcasts)
        else:
            found.append(Change(Verdict.INCOMPATIBLE, name, "event is gone"))
    found += [Change(Verdict.COMPATIBLE, name, "new event") for name in after if name not in before]
    return sorted(found, key=lambda change: (change.verdict != Verdict.INCOMPATIBLE, change))


def _event(
    name: str, old: dict[str, Any], new: dict[str, Any], upcasts: Mapping[tuple[str, int], Any]
) -> Iterator[Change]:
    for fixed in _FIXED:
        if old[fixed] != new[fixed]:
            yield Change(Verdict.INCOMPATIBLE, name, f"{fixed} {old[fixed]} became {new[fixed]}")
    yield from _personal(name, old, new)
    yield from _told(name, old, new)
    if new["version"] == old["version"]:
        yield from changes(old["schema"], new["schema"], name)
    else:
        yield _version(name, old["version"], new["version"], upcasts)


def _version(name: str, old: int, new: int, upcasts: Mapping[tuple[str, int], Any]) -> Change:
    if new < old:
        return Change(Verdict.INCOMPATIBLE, name, f"version {old} went back to {new}")
    missing = [step for step in range(old, new) if (name, step) not in upcasts]
    if missing:
        return Change(
            Verdict.INCOMPATIBLE, name, f"no upcast from version {missing[0]}: old events unread"
        )
    return Change(Verdict.COMPATIBLE, name, f"version {new} after {old}")


def _personal(name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    """Marks are for ever: what was stored under one subject can only be read under it."""
    both = old["schema"]["properties"].keys() & new["schema"]["properties"].keys()
    for field in sorted(both):
        before, after = old["personal"].get(field), new["personal"].get(field)
        if before != after:
            yield Change(
                Verdict.INCOMPATIBLE,
                f"{name}.{field}",
                f"personal data of {before or 'nobody'} became that of {after or 'nobody'}",
            )


def _told(name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    still = set(new["schema"]["properties"])
    for field in sorted((set(old["told"]) - set(new["told"])) & still):
        yield Change(
            Verdict.INCOMPATIBLE, f"{name}.{field}", "producers may no longer leave it out"
        )
    for field in sorted(set(new["told"]) - set(old["told"])):
        yield Change(Verdict.COMPATIBLE, f"{name}.{field}", "producers may leave it out now")
