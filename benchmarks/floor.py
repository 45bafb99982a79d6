"""The floor: psql's COPY of the very same final rows into the same tables."""

from pathlib import Path

from benchmarks.servers import Servers
from projections.catalog import LIVE
from projections.engine.shadow import live_name

LOG_COLUMNS = (
    "id, entity_type, entity_id, version, shard, event_type, schema_version, org_id, property_id, "
    "lead_id, occurred_at, payload, digest, actor, origin, correlation_id, causation_id"
)


def dump_rows(servers: Servers, database: str, directory: Path) -> None:
    """Write the derived rows of a database to files, one a table."""
    directory.mkdir(exist_ok=True)
    servers.psql(database, _copies("TO", directory))


def copy_rows(servers: Servers, database: str, directory: Path) -> float:
    """Seconds of copying them into a database's empty tables, one COPY a table."""
    return _timed(servers, database, "SET crm.engine = 'on';\n" + _copies("FROM", directory))


def _copies(which: str, directory: Path) -> str:
    """psql's commands for every derived table, parents first."""
    return "".join(
        f"\\copy {live_name(table)} ({', '.join(table.columns)}) "
        f"{which} '{directory / table.name}.copy'\n"
        for table in LIVE.tables
    )


def dump_log(servers: Servers, database: str, file: Path) -> None:
    """Write the log's rows to a file, in the order they were written."""
    query = f"SELECT {LOG_COLUMNS} FROM crm_events WHERE actor = 'benchmark' ORDER BY seq"
    servers.psql(database, f"\\copy ({query}) TO '{file}'\n")


def copy_log(servers: Servers, database: str, file: Path) -> float:
    """Seconds of copying them into an empty log, as one transaction."""
    return _timed(servers, database, f"\\copy crm_events ({LOG_COLUMNS}) FROM '{file}'\n")


def _timed(servers: Servers, database: str, script: str) -> float:
    """Starting psql and connecting is not timed: the server's clock is asked before and after."""
    clock = "SELECT extract(epoch FROM clock_timestamp());\n"
    began, ended = servers.psql(database, f"{clock}{script}{clock}").split()
    return float(ended) - float(began)
