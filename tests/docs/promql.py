"""The names in an expression of PromQL: metrics, and the labels that it selects or groups by.

A reader of the parts of PromQL that the dashboards and rules use. It refuses all others.
"""

import re
from dataclasses import dataclass, field

FUNCTIONS = frozenset({
    "abs", "absent", "changes", "histogram_quantile", "increase", "max", "min", "predict_linear",
    "rate", "sum", "topk", "vector",
})  # fmt: skip
OPERATORS = frozenset({"or", "and", "unless"})
GROUPING = frozenset({"by", "without", "on", "ignoring"})
_TOKEN = re.compile(
    r'\s+|(?P<text>"[^"]*")|(?P<time>\[\d+[smhd]\])|(?P<number>\d+(?:\.\d+)?)'
    r"|(?P<name>[a-zA-Z_]\w*)|(?P<sign>=~|!~|!=|==|>=|<=|[-+*/<>(){},=])"
)


class NotUnderstood(Exception):
    """The expression is wrong, or has parts that this reader does not know."""


@dataclass(slots=True)
class Names:
    """Selectors as metric → labels, and the labels by which the expression groups."""

    metrics: dict[str, set[str]] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)


def read_names(expression: str) -> Names:
    """Return the names of an expression. Raise `NotUnderstood`."""
    tokens = _split(expression)
    names, opened, at = Names(), list[str](), 0
    while at < len(tokens):
        token = tokens[at]
        following = tokens[at + 1] if at + 1 < len(tokens) else ""
        if token in GROUPING:
            labels, at = _read_list(tokens, at + 1, "(", ")")
            names.groups |= set(labels)
            continue
        if token in FUNCTIONS:
            if following not in ("(", *GROUPING):
                raise NotUnderstood(f"{token} without parentheses in {expression!r}")
        elif re.fullmatch(r"[a-zA-Z_]\w*", token) and token not in OPERATORS:
            if following == "(":
                raise NotUnderstood(f"unknown function {token} in {expression!r}")
            selected = names.metrics.setdefault(token, set())
            if following == "{":
                matchers, at = _read_list(tokens, at + 1, "{", "}")
                selected |= set(matchers[0::3])
                continue
        elif token == "(":
            opened.append(token)
        elif token == ")":
            if not opened:
                raise NotUnderstood(f"')' without '(' in {expression!r}")
            opened.pop()
        at += 1
    if opened:
        raise NotUnderstood(f"'(' without ')' in {expression!r}")
    return names


def _split(expression: str) -> list[str]:
    tokens, at = list[str](), 0
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        if match is None:
            raise NotUnderstood(f"{expression[at:]!r} in {expression!r}")
        if match.lastgroup is not None:
            tokens.append(match[0])
        at = match.end()
    return tokens


def _read_list(tokens: list[str], at: int, first: str, last: str) -> tuple[list[str], int]:
    """Return the tokens between two brackets without commas, and the place after them."""
    if tokens[at : at + 1] != [first] or last not in tokens[at:]:
        raise NotUnderstood(f"a list between {first} and {last} is missing")
    end = tokens.index(last, at)
    return [token for token in tokens[at + 1 : end] if token != ","], end + 1
