"""The work of `crm delivery report`: read reports about e-mails from files."""

import sys
from collections.abc import Sequence
from pathlib import Path

from services.adapters.email_reports import MAX_BYTES, parse_email_report
from services.application.email_reports import receive_email_report
from services.runtime.clock import Clock
from services.runtime.database import connect
from services.runtime.database_settings import DatabaseSettings
from services.runtime.terminal import Failure

STANDARD_INPUT = Path("-")
IGNORED = "no report about a message of the core"


async def receive_reports(paths: Sequence[Path]) -> list[dict[str, str]]:
    """Record the report in each file; return what became of it."""
    rows = []
    conn = await connect(DatabaseSettings(), "crm delivery report")
    try:
        for path in paths:
            report = parse_email_report(_read(path))
            row = {"file": str(path), "delivery": "", "report": IGNORED}
            if report is not None and await receive_email_report(conn, report, Clock().now()):
                row |= {"delivery": str(report.delivery_id), "report": report.detail}
            rows.append(row)
    finally:
        await conn.close()
    return rows


def _read(path: Path) -> bytes:
    if path == STANDARD_INPUT:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from error
