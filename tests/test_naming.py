"""Rules for names that a linter cannot check: no private dialect, one meaning per class name."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).parents[1]
PRODUCTION = ("events", "projections", "services", "migrations")
EVERYWHERE = (*PRODUCTION, "tests", "benchmarks")

AVOIDED = frozenset({
    "said", "told", "heard", "hear", "asked", "wanted", "door", "house", "deed", "guest", "guilty",
    "heal", "twin", "tenure", "deposed", "outrun", "unit", "letter", "fact", "facts",
})  # fmt: skip
"""Words of the old vocabulary, with their plurals; the glossary names the terms to use instead."""

EXCEPTIONS = {
    "UNIT_FAVORITED": "an engagement type of the plan: a visitor marks an apartment",
    "UnitOfWork": "the term of the glossary",
    "unit_of_work": "the module of `UnitOfWork`",
    "unit": "a field of the event parked.dropped, whose stored name cannot change",
}
"""At most ten identifiers that contain such a word, each with its reason."""

QUESTION = re.compile(r"(what|who|whose|why|how|which|where|when)\b", re.IGNORECASE)

SHARED_CLASS_NAMES: dict[str, str] = {}
"""Class names that may be defined twice because both mean the same, each with its reason."""


def modules(packages: tuple[str, ...]) -> list[Path]:
    found = [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]
    assert len(found) > 100
    return [path for path in found if "versions" not in path.parts]


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def identifiers(path: Path) -> Iterator[str]:
    yield path.stem
    for node in ast.walk(parse(path)):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name):
                yield name
            case ast.keyword(arg=str(name)):
                yield name
            case ast.alias(name=name, asname=alias):
                yield from name.split(".")
                yield from [alias] if alias else []
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name
            case ast.ExceptHandler(name=str(name)):
                yield name


def parts(identifier: str) -> set[str]:
    """Split snake case and camel case: `waitsForHouse_of` gives waits, for, house, of."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", identifier)
    return {part.lower() for part in spaced.split("_") if part}


def is_avoided(identifier: str) -> bool:
    if "known_as" in identifier:
        return True
    words = parts(identifier)
    if "dead" in words:
        words -= {"letter", "letters"}
    singular = {word.removesuffix("s") for word in words}
    return bool((words | singular) & AVOIDED)


def test_the_rule_finds_the_words_it_looks_for() -> None:
    assert is_avoided("said_before")
    assert is_avoided("HouseSettings")
    assert is_avoided("letters")
    assert is_avoided("leads_known_as")
    assert not is_avoided("dead_letters")
    assert not is_avoided("factor")
    assert not is_avoided("indoor")


def test_no_identifier_uses_the_private_dialect() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for path in modules(EVERYWHERE):
        for identifier in identifiers(path):
            if is_avoided(identifier) and identifier not in EXCEPTIONS:
                found[identifier].add(str(path.relative_to(ROOT)))
    assert found == {}


def test_every_exception_is_needed() -> None:
    used = {name for path in modules(EVERYWHERE) for name in identifiers(path)}
    assert set(EXCEPTIONS) - used == set()
    assert len(EXCEPTIONS) <= 10


def test_no_docstring_begins_like_a_question() -> None:
    """It begins with an imperative verb or a noun phrase."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules(EVERYWHERE)
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str) and QUESTION.match(node.value.value)
    ]  # fmt: skip
    assert found == []


def test_a_class_name_has_one_meaning() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in modules(PRODUCTION):
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path.relative_to(ROOT)))
    twice = {name: paths for name, paths in places.items() if len(paths) > 1}
    assert set(twice) == set(SHARED_CLASS_NAMES), twice


def test_files_and_functions_stay_small() -> None:
    """Keep the sizes, in lines, at which a reader sees a file or a function whole."""
    files = [len(path.read_text(encoding="utf-8").splitlines()) for path in modules(PRODUCTION)]
    functions = [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for path in modules(PRODUCTION)
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert median(files) <= 90
    assert quantiles(files, n=10)[-1] <= 180
    assert median(functions) <= 10
