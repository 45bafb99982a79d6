"""The migration of a projection, generated from its table definition."""

from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement

from projections.engine.derived_table import DerivedTable
from projections.engine.projection import Projection
from services.cli import projection_templates as templates
from services.runtime.terminal import Failure

CONDITIONS = {
    "property_id": "property_id = ANY ((SELECT crm_api.property_ids())::uuid[])",
    "org_id": "org_id = (SELECT crm_api.org_id())",
}
"""The column that tells whose row it is, with the condition of its row level security policy."""


def upgrade_sql(projection: Projection) -> str:
    """Return the statements that create the projection's tables with guard, policy and grants."""
    if not projection.projectors:
        raise Failure(f"projections/{projection.name}.py handles no event: add a projector first")
    events = " and ".join(sorted(event.name for event in projection.projectors))
    parts = [f"-- Tables of the projection {projection.name}, derived from {events}."]
    for table in projection.tables:
        indexes = sorted(table.table.indexes, key=lambda index: str(index.name))
        parts.append(_statement(CreateTable(table.table)))
        parts += [_statement(CreateIndex(index)) for index in indexes]
        parts.append(_access(table, events))
    return "\n".join(part.rstrip("\n") for part in parts) + "\n"


def downgrade_sql(projection: Projection) -> str:
    """Return the statements that drop the projection's tables."""
    names = ", ".join(_full_name(table) for table in projection.tables)
    return f"DROP TABLE {names};\n"


def _statement(element: ExecutableDDLElement) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    text = str(element.compile(dialect=dialect)).strip().replace("\t", "  ")
    return "\n".join(line.rstrip() for line in text.splitlines()) + ";"


def _full_name(table: DerivedTable) -> str:
    return table.name if table.schema == "public" else f"{table.schema}.{table.name}"


def _access(table: DerivedTable, events: str) -> str:
    if table.schema != "public":
        return templates.PRIVATE_TABLE_ACCESS.format(table=_full_name(table))
    column = next((name for name in CONDITIONS if name in table.columns), None)
    if column is None:
        raise Failure(
            f"the table {table.name} has neither property_id nor org_id, so row level security "
            "cannot tell whose rows it holds: add one of these columns"
        )
    return templates.CLIENT_TABLE_ACCESS.format(
        table=table.name,
        words=table.name.replace("_", " "),
        condition=CONDITIONS[column],
        events=events,
    )
