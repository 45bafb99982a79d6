"""Nothing is a projection that is not in the catalog: what stands there is under the law."""

import importlib
import pkgutil

import projections
from projections.catalog import HOST_TABLES, LIVE, METADATA
from projections.engine.projection import Projection


def test_every_projection_that_is_written_stands_in_the_catalog() -> None:
    names = [found.name for found in pkgutil.iter_modules(projections.__path__)]
    modules = [importlib.import_module(f"projections.{name}") for name in names]
    written = {
        id(made) for module in modules for made in vars(module).values()
        if isinstance(made, Projection)
    }  # fmt: skip
    assert written == {id(projection) for projection in LIVE.projections}


def test_every_table_is_a_projection_s_or_the_host_s() -> None:
    ours = {id(table.table) for table in LIVE.tables}
    assert {id(table) for table in METADATA.tables.values()} == ours | {
        id(table) for table in HOST_TABLES
    }
