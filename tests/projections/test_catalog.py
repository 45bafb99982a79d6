"""The catalog contains every projection, in an order that the foreign keys allow."""

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import projections
from events.catalog import CATALOG
from projections.catalog import HOST_TABLES, LIVE, METADATA
from projections.engine.projection import Projection

EXAMPLES = Path(__file__).parent


def projection_modules() -> dict[str, ModuleType]:
    """Return the modules that define a projection, by name."""
    names = [module.name for module in pkgutil.iter_modules(projections.__path__)]
    modules = {name: importlib.import_module(f"projections.{name}") for name in names}
    return {
        name: module
        for name, module in modules.items()
        if any(isinstance(value, Projection) for value in vars(module).values())
    }


def test_every_projection_module_is_in_the_catalog() -> None:
    defined = {id(module.projection) for module in projection_modules().values()}
    assert defined == {id(projection) for projection in LIVE.projections}
    assert len(defined) == len(LIVE.projections), "a projection is listed twice"


def test_every_table_belongs_to_a_projection_or_to_the_host() -> None:
    derived = {id(table.table) for table in LIVE.tables}
    host = {id(table) for table in HOST_TABLES}
    assert {id(table) for table in METADATA.tables.values()} == derived | host


@pytest.mark.parametrize("name", sorted(projection_modules()))
def test_every_projection_has_examples(name: str) -> None:
    assert (EXAMPLES / f"test_{name}.py").exists()


def test_names_of_projections_and_tables_are_unique() -> None:
    names = [projection.name for projection in LIVE.projections]
    tables = [table.live_name for table in LIVE.tables]
    assert len(set(names)) == len(names)
    assert len(set(tables)) == len(tables)


def test_a_table_refers_only_to_host_tables_and_tables_before_it() -> None:
    allowed = {table.name for table in HOST_TABLES}
    for table in LIVE.tables:
        allowed.add(table.name)
        parents = {key.column.table.name for key in table.table.foreign_keys}
        assert parents <= allowed, f"{table.name} comes before {parents - allowed}"


@pytest.mark.parametrize("projection", LIVE.projections, ids=lambda projection: projection.name)
def test_key_fields_are_fields_of_an_event_that_the_projection_handles(
    projection: Projection,
) -> None:
    """A misspelled name in `keyed_by` would load no row."""
    fields = {
        name
        for kind in projection.projectors
        for name in (*kind.model_fields, *vars(kind), *dir(kind))
    }
    for table in projection.tables:
        assert set(table.keyed_by) <= fields
        assert set(table.follows) <= set(table.columns)


@pytest.mark.parametrize("projection", LIVE.projections, ids=lambda projection: projection.name)
def test_projectors_are_registered_for_event_classes_of_the_catalog(
    projection: Projection,
) -> None:
    assert projection.projectors
    assert {kind.name for kind in projection.projectors} <= set(CATALOG)


def test_a_second_projector_for_an_event_class_is_refused() -> None:
    projection = LIVE.projections[0]
    kind = next(iter(projection.projectors))
    with pytest.raises(ValueError, match="two projectors"):
        projection.on(kind)(lambda _tables, _recorded, _event: None)


def test_a_subset_has_the_erased_subjects_and_refuses_unknown_names() -> None:
    with pytest.raises(LookupError, match="no projection no_such_table; there are"):
        LIVE.subset(["leads", "no_such_table"], "part")
    part = LIVE.subset(["tours", "leads"], "part")
    assert [p.name for p in part.projections] == ["leads", "tours", "erased_subjects"]
    assert part.version == "erased_subjects.1 leads.6 tours.2"
