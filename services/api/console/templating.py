"""Templates of the pages, and how they show instants, amounts and words."""

import functools
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from services.api.console.assets import asset_url
from services.api.console.times import (
    describe_age,
    describe_duration,
    describe_instant,
    parse_instant,
)
from services.api.console.words import describe_count, name_source, words_of
from services.deciders.delivery_steps import describe_reason

FOLDER = Path(__file__).parent / "templates"


class PageEnvironment(Environment):
    """An environment that looks a name up in a dictionary first: rows of the API are dictionaries.

    Jinja tries an attribute first, and the exception takes five times as long as the look-up.
    """

    def getattr(self, obj: Any, attribute: str) -> Any:
        if type(obj) is dict and attribute in obj and attribute not in _METHODS:
            return obj[attribute]
        return super().getattr(obj, attribute)


_METHODS = frozenset(dir(dict))


def render_template(name: str, /, **values: Any) -> str:
    """Return the text of a template. All values are escaped."""
    return _environment().get_template(name).render(**values)


@functools.cache
def _environment() -> Environment:
    environment = PageEnvironment(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    environment.globals |= {"asset": asset_url}
    environment.filters |= {
        "when": _when, "at": _at, "words": words_of, "number": _number, "instant": parse_instant,
        "json": _json, "source": name_source, "counted": describe_count,
        "reason": describe_reason,
        "duration": describe_duration,
    }  # fmt: skip
    return environment


@pass_context
def _when(context: Context, value: str | datetime | None) -> Markup | str:
    """Return how long ago or how far ahead an instant is, with the exact one on hover."""
    if value is None:
        return "never"
    at, zone = parse_instant(value), _zone_of(context)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(), describe_instant(at, zone), describe_age(at, context["page"].now)
    )


@pass_context
def _at(context: Context, value: str | datetime | None) -> Markup | str:
    """Return an instant in the property's zone."""
    if value is None:
        return "never"
    at, zone = parse_instant(value), _zone_of(context)
    return Markup('<time datetime="{}">{}</time>').format(
        at.isoformat(), describe_instant(at, zone)
    )


def _json(value: Any) -> str:
    """Return a value as JSON for people. It is escaped like any text."""
    return orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode()


def _number(value: float) -> str:
    """Return a number with separators of thousands."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _zone_of(context: Context) -> ZoneInfo:
    choice = context["page"].current
    return choice.zone if choice is not None else ZoneInfo("UTC")
