"""The compatibility check of the catalog with the last released contract."""

from collections.abc import Iterator, Mapping
from typing import Any

from events.contract.compare import Change, Verdict, changes
from events.contract.describe import Contract
from events.upcasts import UPCASTS

_FIXED_KEYS = ("stream", "entity", "intake")


def judge_changes(
    released: Contract, current: Contract, upcasts: Mapping[tuple[str, int], Any] = UPCASTS
) -> list[Change]:
    """Return every difference between two contracts, the incompatible ones first."""
    before, after = released["events"], current["events"]
    differences: list[Change] = []
    for name, event in before.items():
        if name in after:
            differences += _event(name, event, after[name], upcasts)
        else:
            differences.append(Change(Verdict.INCOMPATIBLE, name, "event was removed"))
    differences += [
        Change(Verdict.COMPATIBLE, name, "new event") for name in after if name not in before
    ]
    return sorted(differences, key=lambda change: (change.verdict != Verdict.INCOMPATIBLE, change))


def _event(
    name: str, old: dict[str, Any], new: dict[str, Any], upcasts: Mapping[tuple[str, int], Any]
) -> Iterator[Change]:
    for key in _FIXED_KEYS:
        if old[key] != new[key]:
            yield Change(Verdict.INCOMPATIBLE, name, f"{key} {old[key]} became {new[key]}")
    yield from _personal(name, old, new)
    yield from _derivable(name, old, new)
    if new["version"] == old["version"]:
        yield from changes(old["schema"], new["schema"], name)
    else:
        yield _version(name, old["version"], new["version"], upcasts)


def _version(name: str, old: int, new: int, upcasts: Mapping[tuple[str, int], Any]) -> Change:
    if new < old:
        return Change(Verdict.INCOMPATIBLE, name, f"version {old} decreased to {new}")
    missing = [version for version in range(old, new) if (name, version) not in upcasts]
    if missing:
        return Change(
            Verdict.INCOMPATIBLE,
            name,
            f"no upcast from version {missing[0]}: old events cannot be read",
        )
    return Change(Verdict.COMPATIBLE, name, f"version {new} after {old}")


def _personal(name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    """Compare the data subjects: a value encrypted for one subject can only be read for it."""
    both = old["schema"]["properties"].keys() & new["schema"]["properties"].keys()
    for field in sorted(both):
        before, after = old["personal"].get(field), new["personal"].get(field)
        if before != after:
            yield Change(
                Verdict.INCOMPATIBLE,
                f"{name}.{field}",
                f"personal data of {before or 'nobody'} became that of {after or 'nobody'}",
            )


def _derivable(name: str, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Change]:
    fields = set(new["schema"]["properties"])
    for field in sorted((set(old["told"]) - set(new["told"])) & fields):
        yield Change(Verdict.INCOMPATIBLE, f"{name}.{field}", "producers may no longer omit it")
    for field in sorted(set(new["told"]) - set(old["told"])):
        yield Change(Verdict.COMPATIBLE, f"{name}.{field}", "producers may omit it now")
