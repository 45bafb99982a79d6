"""Settings as environment variables: explain a wrong one, and pass all of them to a child."""

from pydantic import SecretStr, ValidationError

from services.runtime.setting_types import NO_LIMIT
from services.runtime.settings import Settings

_VARIABLES = {
    "database_url": "DATABASE_URL",
    "kafka_bootstrap_servers": "KAFKA_BOOTSTRAP_SERVERS",
}


def explain(error: ValidationError, prefix: str = "CRM_") -> str:
    """Describe the wrong settings, one line each, without their values."""
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        field = str(problem["loc"][0]) if problem["loc"] else "settings"
        name = _VARIABLES.get(field, f"{prefix}{field.upper()}")
        if not problem["loc"]:  # of several settings; the message names them
            lines.append(problem["msg"].removeprefix("Value error, "))
        elif problem["type"] == "missing":
            lines.append(f"{name} is not set: start the stack with `crm up`, or set {name}")
        else:
            lines.append(f"{name}: {problem['msg']}")
    return "\n".join(lines)


def to_environment(settings: Settings) -> dict[str, str]:
    """Return the environment with which a child process reads the same settings."""
    values: dict[str, str] = {}
    for field in Settings.model_fields:
        value = getattr(settings, field)
        if value is None:
            continue
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        if not text and Settings.model_fields[field].default:
            text = NO_LIMIT  # only a rate limit can be empty although its default is not
        values[_VARIABLES.get(field, f"CRM_{field.upper()}")] = text
    return values
