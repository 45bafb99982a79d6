"""Messages to a lead as several routes return them: state, history and forecast."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import Any

from pydantic.alias_generators import to_camel

from events.log.connection import Connection
from services.application.message_forecasts import forecast_messages
from services.application.message_states import MessageState, state_fields


async def build_message_items(
    conn: Connection, states: Sequence[MessageState], now: datetime
) -> list[dict[str, Any]]:
    """Return the states with the forecasts of those messages that may still be sent."""
    forecasts = await forecast_messages(conn, states, now)
    return [
        to_camel_case(state_fields(state)) | {"forecast": forecast and asdict(forecast)}
        for state, forecast in zip(states, forecasts, strict=True)
    ]


_camel_case_of = cache(to_camel)
"""The names are the same for every message."""


def to_camel_case(value: Any) -> Any:
    """Return a state with names in camelCase; what a rule compared keeps its own names."""
    return {
        _camel_case_of(name): [to_camel_case(step) for step in content]
        if name == "history"
        else content
        for name, content in value.items()
    }
