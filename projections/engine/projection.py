"""What a projection is: a derived table and pure functions from facts to its rows."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias, TypeVar
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from events.event import Event
from events.record import RecordedEvent

METADATA = sa.MetaData()
STATE_SCHEMA = "crm_state"

Row: TypeAlias = dict[str, Any]
Stored: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class DerivedTable:
    """A table only the engine writes.

    `keyed_by` names the event fields that may hold a key of a row the projector reads or changes;
    empty means that rows are only ever added. The primary key is one uuid column, the first.
    `follows` names columns that hold keys of other rows of the table, one or a JSON list: those are
    loaded too, with what they follow, for the projector may read or change them.
    `kept`: the table was the host's before, and may hold its columns and rows: a rebuild never
    puts another in its place, but writes what differs.
    """

    table: sa.Table
    keyed_by: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()
    kept: bool = False

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def schema(self) -> str:
        return self.table.schema or "public"

    @property
    def key(self) -> str:
        return self.table.primary_key.columns[0].name

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.table.columns)

    @property
    def json_columns(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.table.columns if isinstance(c.type, postgresql.JSONB))

    @property
    def array_columns(self) -> tuple[str, ...]:
        """Columns that hold arrays of texts."""
        return tuple(c.name for c in self.table.columns if isinstance(c.type, sa.ARRAY))

    @property
    def sought_columns(self) -> tuple[str, ...]:
        """What rows are found, joined and ordered by: ids, instants, days, and what is indexed."""
        indexed = {column.name for index in self.table.indexes for column in index.columns}
        kinds = (sa.Uuid, sa.DateTime, sa.Date)
        return tuple(
            column.name
            for column in self.table.columns
            if column.name in indexed or isinstance(column.type, kinds)
        )

    @property
    def types(self) -> tuple[str, ...]:
        """The columns' types as PostgreSQL spells them."""
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        return tuple(column.type.compile(dialect) for column in self.table.columns)

    def followed(self, rows: Iterable[Row | None]) -> dict[int, UUID]:
        """The keys that these rows hold of others, by the number each is."""
        found: dict[int, UUID] = {}
        for row in rows:
            if row is None:
                continue
            for column in self.follows:
                value = row.get(column)
                if value is None:
                    continue
                for held in value if isinstance(value, list) else (value,):
                    key = held if isinstance(held, UUID) else UUID(held)
                    found[key.int] = key
        return found


def json_bytes(value: Any) -> bytes:
    """JSON of its own length: orjson's result sits in a kilobyte, six times as slow to keep."""
    return bytes(memoryview(orjson.dumps(value)))


class Rows:
    """The rows of one table that a batch may touch, as they are now and as they are stored.

    They are held by the number an id is: hashing and comparing UUIDs themselves is far slower.
    """

    __slots__ = (
        "_added", "_changed", "_columns", "_deleted", "_dropped", "_fresh", "_in_order", "_json",
        "_key", "_name", "_now", "_table",
    )  # fmt: skip

    def __init__(self, table: DerivedTable) -> None:
        self._table = table
        self._name = table.name
        self._columns = table.columns
        self._key = table.columns.index(table.key)
        self._in_order = itemgetter(*table.columns)
        self._json = [table.columns.index(column) for column in table.json_columns]
        self._added: list[Stored] = []
        self._now: dict[int, Row | None] = {}
        self._fresh: dict[int, Row] = {}
        self._changed: dict[int, Row] = {}
        self._deleted: dict[int, UUID] = {}
        self._dropped: dict[int, UUID] = {}

    def get(self, key: UUID) -> Row | None:
        """The row, to be read only. Raises `KeyError` where the engine was not told to load it."""
        try:
            return self._now[key.int]
        except KeyError:
            raise KeyError(
                f"{self._name} {key} was not loaded: name its field in keyed_by"
            ) from None

    def add(self, row: Row) -> None:
        """A new row that no later fact will ask for; a column left out is null, bytes are JSON."""
        self._added.append(self._stored(row))

    def insert(self, key: UUID, row: Row) -> None:
        """A new row; a column left out is null. Raises `ValueError` where it is there already."""
        at = key.int
        if self._now.get(at) is not None:
            raise ValueError(f"{self._name} {key} is there already")
        self._now[at] = row
        if self._deleted.pop(at, None) is None:
            self._fresh[at] = row
        else:
            self._changed[at] = row

    def change(self, key: UUID) -> Row:
        """The row, to be changed in place. Raises `LookupError` where there is none."""
        row = self.get(key)
        if row is None:
            raise LookupError(f"there is no {self._name} {key} to change")
        at = key.int
        if at not in self._fresh:
            self._changed[at] = row
        return row

    def update(self, key: UUID, **changes: Any) -> None:
        """Change columns of a row. Raises `LookupError` where there is none."""
        self.change(key).update(changes)

    def delete(self, key: UUID) -> None:
        if self.get(key) is None:
            return
        at = key.int
        self._now[at] = None
        self._changed.pop(at, None)
        if self._fresh.pop(at, None) is None:
            self._deleted[at] = key

    def drop(self, keys: Iterable[UUID]) -> None:
        """Rows are gone, whether they were loaded, only added before, or are not there at all."""
        gone = {key.int: key for key in keys}
        if not gone:
            return
        at = self._key
        self._added = [row for row in self._added if row[at].int not in gone]
        for number, key in gone.items():
            self._changed.pop(number, None)
            self._deleted.pop(number, None)
            if self._fresh.pop(number, None) is None:
                self._dropped[number] = key
            self._now[number] = None

    # What follows is the engine's side.

    def missing(self, keys: Mapping[int, UUID]) -> list[UUID]:
        held = self._now
        return [key for at, key in keys.items() if at not in held]

    def load(self, keys: Iterable[UUID], rows: Mapping[UUID, Row]) -> None:
        for key in keys:
            self._now[key.int] = rows.get(key)

    def tied_to(self, keys: Iterable[UUID]) -> dict[int, UUID]:
        """The keys of all rows that can be reached from these by following, in memory."""
        found: dict[int, UUID] = {}
        near = {key.int: key for key in keys}
        while near:
            reached = self._table.followed(self._now.get(at) for at in near)
            near = {at: key for at, key in reached.items() if at not in found}
            found |= near
        return found

    def take_added(self) -> list[Stored]:
        """Only the rows no later fact will ask for."""
        added, self._added = self._added, []
        return added

    def take(self) -> "Written":
        """What has to be written, and forget that it had."""
        written = Written(
            self._added + [self._stored(row) for row in self._fresh.values()],
            [self._stored(row) for row in self._changed.values()],
            [*self._deleted.values(), *self._dropped.values()],
        )
        self._added = []
        self._fresh, self._changed, self._deleted, self._dropped = {}, {}, {}, {}
        return written

    def _stored(self, row: Row) -> Stored:
        """The row in column order; JSON as it is now, for it may be changed while it is sent."""
        whole = len(row) == len(self._columns)
        found: Stored = self._in_order(row) if whole else tuple(map(row.get, self._columns))
        if not self._json:
            return found
        stored = list(found)
        for at in self._json:
            value = stored[at]
            if value is not None and type(value) is not bytes:
                stored[at] = json_bytes(value)
        return tuple(stored)

    def __len__(self) -> int:
        return len(self._now)

    def forget(self) -> None:
        """Drop every row: the next batch loads what it needs."""
        self.take()
        self._now.clear()


class Written(NamedTuple):
    """How one table's rows differ from what is stored, as tuples in the table's column order.

    A copy: the next batch may be folded while this one is being written.
    """

    inserted: list[Stored]
    updated: list[Stored]
    deleted: list[UUID]


class Tables(NamedTuple):
    """What a projector may touch: its own table, and its own private state where it has one."""

    rows: Rows
    state: Rows


Handler: TypeAlias = Callable[[Tables, RecordedEvent, Any], None]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """A named, versioned derived table with the functions that fold facts into it.

    The name is its identity for ever. A change of what the functions make of the same facts is a
    new `version`, which asks for a rebuild.
    """

    name: str
    version: int
    table: DerivedTable
    state: DerivedTable | None = None
    handlers: dict[type[Event], Handler] = field(default_factory=dict)

    def on(self, *kinds: type[Event]) -> Callable[[H], H]:
        """Register a pure function (tables, fact, event) for events of these kinds."""

        def register(handler: H) -> H:
            for kind in kinds:
                if kind in self.handlers:
                    raise ValueError(f"{self.name} already handles {kind.name}")
                self.handlers[kind] = handler
            return handler

        return register

    @property
    def tables(self) -> tuple[DerivedTable, ...]:
        return (self.table,) if self.state is None else (self.table, self.state)
