"""The SQL of the write path, where the ORM would cost more than the database does.

It goes past Django's cursors to the driver's: those rewrite every placeholder and, with DEBUG,
remember every query. Both databases name the columns of `VALUES` column1, column2, …, so that one
text serves both; what differs is how a driver takes parameters. All that is put into the texts is
names of tables and marks for parameters.
"""

# ruff: noqa: S608

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model
from msgspec import Struct

from sessions_app import models

#: Who, and their key.
Keyed: TypeAlias = tuple[str, str]

#: Rows per statement; with up to eight parameters each, well below what drivers take.
MOST_ROWS = 500


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


class Statements:
    """The write path's SQL for one connection. To be used within a transaction."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        self._sqlite = connection.vendor == "sqlite"
        self._mark = "?" if self._sqlite else "%s"
        # SQLite is locked as a whole by BEGIN IMMEDIATE. The key of a session's row stays, so
        # that those who only refer to it need not wait.
        self._for_update = "" if self._sqlite else " FOR NO KEY UPDATE"

    def lock_sessions(self, session_ids: Iterable[UUID]) -> dict[UUID, int]:
        """Lock these sessions, in the order of their ids; the last seq of each that exists."""
        params = {self._uuid(each): each for each in sorted(set(session_ids))}
        found: dict[UUID, int] = {}
        for part in parts(list(params)):
            marks = ", ".join(self._mark for _ in part)
            rows = self._execute(
                f"SELECT id, last_seq FROM {SESSION} WHERE id IN ({marks})"
                f" ORDER BY id{self._for_update}",
                part,
            )
            found.update((params[session_id], seq) for session_id, seq in rows)
        return found

    def find_receipts(self, keys: Iterable[Keyed]) -> dict[Keyed, Receipt]:
        """The receipts there are of these keys."""
        found: dict[Keyed, Receipt] = {}
        for part in parts(sorted(set(keys))):
            # A join and not IN, which SQLite answers by reading the whole table.
            rows = self._execute(
                "SELECT r.actor, r.key, r.flow, r.fingerprint, r.session_id, r.seq"
                f" FROM ({self._values(part)}) AS v"
                f" JOIN {RECEIPT} AS r ON r.actor = v.column1 AND r.key = v.column2",
                flat(part),
            )
            for actor, key, flow, fingerprint, session_id, seq in rows:
                found[actor, key] = Receipt(
                    flow, bytes(fingerprint), self._uuid_from(session_id), seq
                )
        return found

    def insert_events(self, events: Sequence[NewEvent]) -> None:
        """Append to the log."""
        self._insert(
            EVENT,
            "session_id, seq, kind, actor, data, key, at, trace",
            [
                (
                    self._uuid(each.session_id),
                    each.seq,
                    each.kind,
                    each.actor,
                    each.data,
                    each.key,
                    self._moment(each.at),
                    each.trace,
                )
                for each in events
            ],
        )

    def insert_receipts(self, receipts: dict[Keyed, Receipt], at: datetime) -> None:
        """Store what came of these keys; in their order, so that two nodes cannot deadlock."""
        self._insert(
            RECEIPT,
            "actor, key, flow, fingerprint, session_id, seq, at",
            [
                (
                    *keyed,
                    each.flow,
                    each.fingerprint,
                    self._uuid(each.session_id),
                    each.seq,
                    self._moment(at),
                )
                for keyed, each in sorted(receipts.items(), key=lambda item: item[0])
            ],
        )

    def move_sessions(self, progress: Sequence[Progress]) -> None:
        """Bring sessions to their new heads."""
        rows = [
            (
                self._uuid(each.session_id),
                each.last_seq,
                each.messages,
                self._moment(each.last_activity),
            )
            for each in progress
        ]
        for part in parts(rows):
            self._execute(
                f"UPDATE {SESSION} SET last_seq = v.column2,"
                " message_count = message_count + v.column3, last_activity = v.column4"
                f" FROM ({self._values(part)}) AS v WHERE id = v.column1",
                flat(part),
            )

    def move_cursors(self, cursors: dict[tuple[UUID, str], int]) -> None:
        """Move what users have seen of sessions that they take part in; never back."""
        rows = [(self._uuid(session_id), user, seq) for (session_id, user), seq in cursors.items()]
        for part in parts(rows):
            self._execute(
                f"UPDATE {PARTICIPANT} SET seen_seq = v.column3"
                f" FROM ({self._values(part)}) AS v JOIN {USER} AS u ON u.username = v.column2"
                " WHERE session_id = v.column1 AND user_id = u.id AND left_seq IS NULL"
                " AND seen_seq < v.column3",
                flat(part),
            )

    def _insert(self, table: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
        for part in parts(rows):
            self._execute(f"INSERT INTO {table} ({columns}) {self._values(part)}", flat(part))

    def _values(self, rows: Sequence[tuple[Any, ...]]) -> str:
        row = f"({', '.join(self._mark for _ in rows[0])})"
        return f"VALUES {', '.join(row for _ in rows)}"

    def _execute(self, sql: str, params: list[Any]) -> list[tuple[Any, ...]]:
        self._connection.ensure_connection()
        with self._connection.wrap_database_errors:
            cursor = self._connection.connection.cursor()
            try:
                cursor.execute(sql, params)
                return cursor.fetchall() if cursor.description else []
            finally:
                cursor.close()

    def _uuid(self, value: UUID) -> Any:
        return value.hex if self._sqlite else value

    def _uuid_from(self, value: Any) -> UUID:
        return UUID(value) if self._sqlite else value

    def _moment(self, value: datetime) -> Any:
        # As Django writes it, which compares times on SQLite as text.
        return str(value.replace(tzinfo=None)) if self._sqlite else value


T = Any


def parts(rows: list[T]) -> Iterator[list[T]]:
    """`rows` in pieces that fit into one statement."""
    for begin in range(0, len(rows), MOST_ROWS):
        yield rows[begin : begin + MOST_ROWS]


def flat(rows: Iterable[tuple[Any, ...]]) -> list[Any]:
    """The parameters of `rows`, one after the other."""
    return [value for row in rows for value in row]
