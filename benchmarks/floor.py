"""The floor: the time of psql's COPY of the same rows into the same tables."""

from pathlib import Path

from benchmarks.servers import BenchmarkServers
from projections.catalog import LIVE

LOG_COLUMNS = (
    "id, entity_type, entity_id, version, shard, event_type, schema_version, org_id, property_id, "
    "lead_id, occurred_at, payload, digest, actor, origin, correlation_id, causation_id"
)


def dump_rows(servers: BenchmarkServers, database: str, directory: Path) -> None:
    """Write the derived rows of a database to files, one for each table."""
    directory.mkdir(exist_ok=True)
    servers.psql(database, _copy_commands("TO", directory))


def copy_rows(servers: BenchmarkServers, database: str, directory: Path) -> float:
    """Copy the rows into empty tables, one COPY for each table; return the seconds."""
    return _time_script(
        servers, database, "SET crm.engine = 'on';\n" + _copy_commands("FROM", directory)
    )


def _copy_commands(direction: str, directory: Path) -> str:
    """Return psql commands for every derived table, parents first."""
    return "".join(
        f"\\copy {table.live_name} ({', '.join(table.columns)}) "
        f"{direction} '{directory / table.name}.copy'\n"
        for table in LIVE.tables
    )


def dump_log(servers: BenchmarkServers, database: str, file: Path) -> None:
    """Write the rows of the log to a file, in the order of their insertion."""
    query = f"SELECT {LOG_COLUMNS} FROM crm_events WHERE actor = 'benchmark' ORDER BY seq"
    servers.psql(database, f"\\copy ({query}) TO '{file}'\n")


def copy_log(servers: BenchmarkServers, database: str, file: Path) -> float:
    """Copy the rows into an empty log in one transaction; return the seconds."""
    return _time_script(servers, database, f"\\copy crm_events ({LOG_COLUMNS}) FROM '{file}'\n")


def _time_script(servers: BenchmarkServers, database: str, script: str) -> float:
    """Return the seconds of a script by the server's clock, without the start of psql."""
    clock = "SELECT extract(epoch FROM clock_timestamp());\n"
    started, ended = servers.psql(database, f"{clock}{script}{clock}").split()
    return float(ended) - float(started)
