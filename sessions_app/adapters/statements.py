"""The SQL of the write path, where the ORM would cost more than the database does.

It goes past Django's cursors to the driver's: those rewrite every placeholder and, with DEBUG,
remember every query. Many rows travel as one: on SQLite as `VALUES`, on PostgreSQL as arrays, where
several statements travel together as well: a way there and back costs more than what most of them
do. All that is put into the texts is names of tables and marks for parameters.
"""

# ruff: noqa: S608

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, TypeAlias, cast
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model
from msgspec import Struct
from msgspec.structs import astuple
from psycopg import ClientCursor

from sessions_app import models
from sessions_app.adapters.rows import LogRow

#: Who, and their key.
Keyed: TypeAlias = tuple[str, str]

Row: TypeAlias = tuple[Any, ...]

#: Rows per statement; with up to eight parameters each, well below what drivers take.
MOST_ROWS = 500

#: Characters that travel together, about: a long message must not be in memory many times.
MOST_TEXT = 1_000_000


class Receipt(Struct, frozen=True):
    """What came of a key: which flow with which input, and where it left which session."""

    flow: str
    fingerprint: bytes
    session_id: UUID
    seq: int


class NewEvent(Struct, frozen=True):
    """A row of the log; `data` is JSON."""

    session_id: UUID
    seq: int
    kind: str
    actor: str
    data: str
    key: str
    at: datetime
    trace: str


class Progress(Struct, frozen=True):
    """How a session has moved on: its head, how many messages more, and when."""

    session_id: UUID
    last_seq: int
    messages: int
    last_activity: datetime


def _table(model: type[Model]) -> str:
    return model._meta.db_table  # noqa: SLF001 - Django's public-in-all-but-name API


SESSION = _table(models.Session)
PARTICIPANT = _table(models.Participant)
EVENT = _table(models.Event)
RECEIPT = _table(models.Receipt)
USER = _table(models.User)


class Asked(NamedTuple):
    """A statement about rows: in its text `{rows}`, with columns column1, column2, … of its types.

    The types are PostgreSQL's.
    """

    sql: str
    types: str
    rows: Sequence[Row]


class Statements(ABC):
    """The write path's SQL for one connection. To be used within a transaction."""

    #: What makes a SELECT lock the rows that it finds as `r`.
    locks: ClassVar[str]

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection

    def lock_sessions(
        self, session_ids: Iterable[UUID], keys: Iterable[Keyed]
    ) -> tuple[dict[UUID, int], dict[Keyed, Receipt]]:
        """Lock these sessions, in the order of their ids; the last seq of each that exists.

        And then, with the locks, the receipts there are of these keys.
        """
        locking = Asked(
            "SELECT r.id, r.last_seq FROM ({rows}) AS v"
            f" JOIN {SESSION} AS r ON r.id = v.column1 ORDER BY r.id{self.locks}",
            "uuid",
            [(each,) for each in sorted(set(session_ids), key=_as_number)],
        )
        locked, found = self._run(locking, _receipts_of(keys))
        return {as_uuid(session_id): seq for session_id, seq in locked}, _receipts(found)

    def find_receipts(self, keys: Iterable[Keyed]) -> dict[Keyed, Receipt]:
        """The receipts there are of these keys."""
        return _receipts(*self._run(_receipts_of(keys)))

    def events_from(self, places: Mapping[UUID, int]) -> dict[UUID, list[LogRow]]:
        """The log of each of these sessions from a seq on, in order."""
        (found,) = self._run(
            Asked(
                "SELECT r.session_id, r.seq, r.kind, r.actor, r.data, r.at FROM ({rows}) AS v"
                f" JOIN {EVENT} AS r ON r.session_id = v.column1 AND r.seq >= v.column2"
                " ORDER BY r.session_id, r.seq",
                "uuid bigint",
                list(places.items()),
            )
        )
        log: dict[UUID, list[LogRow]] = {}
        for session_id, *row in found:
            log.setdefault(as_uuid(session_id), []).append(cast("LogRow", tuple(row)))
        return log

    def append(
        self,
        progress: Sequence[Progress],
        events: Sequence[NewEvent],
        receipts: Mapping[Keyed, Receipt],
        at: datetime,
    ) -> None:
        """Bring sessions to their new heads, with these events, and store what came of these keys.

        Receipts go in the order of their keys, so that two nodes cannot deadlock.
        """
        move = Asked(
            f"UPDATE {SESSION} SET last_seq = v.column2,"
            " message_count = message_count + v.column3, last_activity = v.column4"
            " FROM ({rows}) AS v WHERE id = v.column1",
            "uuid bigint bigint timestamptz",
            [astuple(each) for each in progress],
        )
        keep = Asked(
            f"INSERT INTO {RECEIPT} (actor, key, flow, fingerprint, session_id, seq, at) {{rows}}",
            "text text text bytea uuid bigint timestamptz",
            [(*keyed, *astuple(receipts[keyed]), at) for keyed in sorted(receipts)],
        )
        self._run(move, *_insertions(events), keep)

    def insert_events(self, events: Sequence[NewEvent]) -> None:
        """Append to the log."""
        self._run(*_insertions(events))

    def move_cursors(self, cursors: Mapping[tuple[UUID, str], int]) -> None:
        """Move what users have seen of sessions that they take part in; never back."""
        self._run(
            Asked(
                f"UPDATE {PARTICIPANT} SET seen_seq = v.column3"
                f" FROM ({{rows}}) AS v JOIN {USER} AS u ON u.username = v.column2"
                " WHERE session_id = v.column1 AND user_id = u.id AND left_seq IS NULL"
                " AND seen_seq < v.column3",
                "uuid text bigint",
                [(*place, seq) for place, seq in cursors.items()],
            )
        )

    @abstractmethod
    def _run(self, *asked: Asked) -> list[list[Row]]:
        """What each of these selects. They run one after the other; those without rows do not."""


def _receipts_of(keys: Iterable[Keyed]) -> Asked:
    # A join and not IN, which SQLite answers by reading the whole table.
    return Asked(
        "SELECT r.actor, r.key, r.flow, r.fingerprint, r.session_id, r.seq FROM ({rows}) AS v"
        f" JOIN {RECEIPT} AS r ON r.actor = v.column1 AND r.key = v.column2",
        "text text",
        list(set(keys)),
    )


def _receipts(found: Iterable[Row]) -> dict[Keyed, Receipt]:
    return {
        (actor, key): Receipt(flow, bytes(fingerprint), as_uuid(session_id), seq)
        for actor, key, flow, fingerprint, session_id, seq in found
    }


def _insertions(events: Sequence[NewEvent]) -> Iterator[Asked]:
    """The events' way into the log, in pieces of which none is much larger than MOST_TEXT."""
    piece: list[Row] = []
    size = 0
    for each in events:
        piece.append(astuple(each))
        size += len(each.data)
        if size >= MOST_TEXT:
            yield _insertion(piece)
            piece, size = [], 0
    yield _insertion(piece)


def _insertion(rows: Sequence[Row]) -> Asked:
    return Asked(
        f"INSERT INTO {EVENT} (session_id, seq, kind, actor, data, key, at, trace) {{rows}}",
        "uuid bigint text text jsonb text timestamptz text",
        rows,
    )


class SQLite(Statements):
    """Times and ids are text here, as Django writes them."""

    # BEGIN IMMEDIATE has locked the whole database.
    locks = ""

    def _run(self, *asked: Asked) -> list[list[Row]]:
        # The transaction has begun, so there is a connection.
        with (
            self._connection.wrap_database_errors,
            closing(self._connection.connection.cursor()) as cursor,
        ):
            return [self._run_one(cursor, each) for each in asked]

    def _run_one(self, cursor: Any, asked: Asked) -> list[Row]:
        found: list[Row] = []
        for part in parts(asked.rows):
            text, params = self._values(part)
            cursor.execute(asked.sql.format(rows=text), params)
            found += cursor.fetchall()
        return found

    def _values(self, rows: Sequence[Row]) -> tuple[str, Sequence[Any]]:
        row = f"({', '.join('?' * len(rows[0]))})"
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        for index, value in enumerate(rows[0]):
            if (spell := _SPELLINGS.get(type(value))) is not None:
                columns[index] = spell(columns[index])
        values = [value for row in zip(*columns, strict=True) for value in row]
        return f"VALUES {', '.join([row] * len(rows))}", values


class PostgreSQL(Statements):
    """Everything has a type here; the texts of the statements are always the same.

    Arrays are spelled here, column by column: the driver, which does it value by value, takes
    several times as long. And the driver puts them into the text (its client cursor), so that
    several statements can be one query. Each has a snapshot of its own all the same.
    """

    # The key of a session's row stays: those who only refer to it need not wait.
    locks = " FOR NO KEY UPDATE OF r"

    def _run(self, *asked: Asked) -> list[list[Row]]:
        found: list[list[Row]] = [[] for _ in asked]
        trip: list[tuple[list[Row], str]] = []
        params: list[str] = []
        for each, rows in zip(asked, found, strict=True):
            for part in parts(each.rows):
                text, arrays = self._arrays(each.types, part)
                trip.append((rows, each.sql.format(rows=text)))
                params += arrays
                if sum(map(len, params)) >= MOST_TEXT:
                    self._send(trip, params)
                    trip, params = [], []
        if trip:
            self._send(trip, params)
        return found

    def _send(self, trip: Sequence[tuple[list[Row], str]], params: Sequence[str]) -> None:
        query = "; ".join(text for _, text in trip).encode()
        # The transaction has begun, so there is a connection.
        with (
            self._connection.wrap_database_errors,
            closing(ClientCursor[Any](self._connection.connection)) as cursor,
        ):
            cursor.execute(query, params)
            for rows, _ in trip:
                if cursor.description is not None:
                    rows += cursor.fetchall()
                cursor.nextset()

    def _arrays(self, types: str, rows: Sequence[Row]) -> tuple[str, list[str]]:
        names = types.split()
        arrays = ", ".join(f"%s::{name}[]" for name in names)
        columns = ", ".join(f"column{number}" for number, _ in enumerate(names, 1))
        return (
            f"SELECT * FROM unnest({arrays}) AS u({columns})",
            [
                f"{{{','.join(_ELEMENTS[name](column))}}}"
                for name, column in zip(names, zip(*rows, strict=True), strict=True)
            ],
        )


def statements(connection: BaseDatabaseWrapper) -> Statements:
    """The statements for a connection's database."""
    return SQLite(connection) if connection.vendor == "sqlite" else PostgreSQL(connection)


def parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """`rows` in pieces that fit into one statement."""
    for begin in range(0, len(rows), MOST_ROWS):
        yield rows[begin : begin + MOST_ROWS]


def _hexes(values: Sequence[UUID]) -> list[str]:
    """Ids as Django stores them on SQLite, and as PostgreSQL takes them."""
    return [value.hex for value in values]


def _times(values: Sequence[datetime]) -> list[str]:
    """Times as Django stores them on SQLite; those of one batch are nearly all the same."""
    known = {value: str(value.replace(tzinfo=None)) for value in set(values)}
    return [known[value] for value in values]


#: How columns that SQLite has no type for are spelled there: all of a column are of one type.
_SPELLINGS: dict[type, Callable[[Sequence[Any]], list[str]]] = {UUID: _hexes, datetime: _times}


def _quoted(values: Sequence[str]) -> list[str]:
    """Texts as elements of an array of PostgreSQL's."""
    return ['"' + each.replace("\\", "\\\\").replace('"', '\\"') + '"' for each in values]


def _moments(values: Sequence[datetime]) -> list[str]:
    """Times as elements of an array; those of one batch are nearly all the same."""
    known = {value: value.isoformat() for value in set(values)}
    return [known[value] for value in values]


def _bytes(values: Sequence[bytes]) -> list[str]:
    return [rf"\\x{value.hex()}" for value in values]


def _numbers(values: Sequence[int]) -> list[str]:
    return [str(value) for value in values]


#: How a column of each of PostgreSQL's types is spelled as the elements of an array.
_ELEMENTS: dict[str, Callable[[Sequence[Any]], list[str]]] = {
    "uuid": _hexes,
    "bigint": _numbers,
    "timestamptz": _moments,
    "bytea": _bytes,
    "text": _quoted,
    "jsonb": _quoted,
}


def _as_number(value: UUID) -> int:
    # Compared as numbers, ids are in the same order, in a tenth of the time.
    return value.int


def as_uuid(value: UUID | str) -> UUID:
    """An id as either database has it."""
    return value if isinstance(value, UUID) else UUID(value)
