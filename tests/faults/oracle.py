"""Compares what clients asked, were told and were shown with the database. Values in, values out.

It knows nothing of sockets, processes or faults: a history and the rows, and what is wrong between
them. Whatever happened in between, there is nothing that excuses a violation.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from msgspec import Struct, field


class Kind(StrEnum):
    """What can be wrong."""

    LOST = "acknowledged, but not stored"
    MISPLACED = "acknowledged as another seq than it has"
    CONTRADICTED = "one key acknowledged as several seqs"
    UNCAUSED = "stored, though nobody asked for it"
    ALTERED = "stored otherwise than asked for"
    TWICE = "stored twice"
    REFUSED = "stored, though it was refused"
    HOLE = "missing in the numbers of a log"
    MISSING = "not shown"
    DOUBLED = "shown twice"
    REORDERED = "shown too late"
    INVENTED = "shown, but not stored"
    DIFFERENT = "shown otherwise than stored"
    LEAKED = "shown to somebody who takes no part"
    KEY_SHOWN = "its key shown to somebody else than its author"
    UNFINISHED = "not finished in the end"
    UNSOUND = "not as it must be, says `verify`"


class Row(NamedTuple):
    """An event as the database has it; `key` is empty where there is none."""

    session: str
    seq: int
    kind: str
    actor: str
    data: Any
    key: str


class Attempt(Struct):
    """What a client asked for with a key, whether or not it was ever answered."""

    user: str
    key: str
    session: str
    kind: str
    #: What its event must hold; None: whatever it holds.
    data: Any = None
    #: How many rows it makes.
    rows: int = 1
    #: How often it was sent; a second copy may be stored after the first one was refused.
    sent: int = 0
    refused: bool = False


class Answer(NamedTuple):
    """That a key was acknowledged, as a seq."""

    user: str
    key: str
    session: str
    seq: int


class Shown(NamedTuple):
    """An event as a client got it."""

    seq: int
    kind: str
    actor: str
    data: Any
    key: str | None


class Stream(Struct):
    """What one connection was shown of one session, from one answered watch on."""

    user: str
    connection: str
    session: str
    #: The position that was asked for, and the head that was told with the answer.
    after: int
    head: int
    shown: list[Shown] = field(default_factory=list)
    #: Whether it was alive in the end, so that it must have come to the end of the log.
    lasted: bool = False

    @property
    def position(self) -> int:
        """The last seq that was shown."""
        return max((each.seq for each in self.shown), default=self.after)


class History(Struct):
    """Everything that clients have seen of a run."""

    attempts: dict[tuple[str, str], Attempt] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    #: Calls and watches that should have come to an end, in words.
    unfinished: list[str] = field(default_factory=list)


class Violation(NamedTuple):
    """One thing that is wrong, and where."""

    kind: Kind
    where: str


Log = Mapping[int, Row]


def violations(history: History, rows: Iterable[Row]) -> list[Violation]:
    """Everything that is wrong."""
    stored = list(rows)
    logs: dict[str, dict[int, Row]] = defaultdict(dict)
    for row in stored:
        logs[row.session].setdefault(row.seq, row)
    return [
        *_wrong_answers(history, stored),
        *_wrong_rows(history, stored),
        *_wrong_numbers(stored),
        *(wrong for each in history.streams for wrong in _wrong_stream(each, logs[each.session])),
        *(Violation(Kind.UNFINISHED, each) for each in history.unfinished),
    ]


def tally(found: Iterable[Violation]) -> dict[Kind, int]:
    """How many there are of each kind that there is."""
    return dict(Counter(each.kind for each in found))


# -- what was answered, and what is stored ---------------------------------------------------------


def _wrong_answers(history: History, rows: Sequence[Row]) -> Iterator[Violation]:
    by_key: dict[tuple[str, str], set[int]] = defaultdict(set)
    for row in rows:
        by_key[row.actor, row.key].add(row.seq)
    told: dict[tuple[str, str], set[int]] = defaultdict(set)
    for answer in history.answers:
        told[answer.user, answer.key].add(answer.seq)
    for (user, key), seqs in told.items():
        where = f"{user} {key}: {sorted(seqs)}"
        if len(seqs) > 1:
            yield Violation(Kind.CONTRADICTED, where)
        if not by_key[user, key]:
            yield Violation(Kind.LOST, where)
        elif not seqs <= by_key[user, key]:
            yield Violation(Kind.MISPLACED, f"{where}, stored as {sorted(by_key[user, key])}")


def _wrong_rows(history: History, rows: Sequence[Row]) -> Iterator[Violation]:
    count: Counter[tuple[str, str]] = Counter()
    for row in rows:
        attempt = history.attempts.get((row.actor, row.key))
        where = f"{row.session} #{row.seq} of {row.actor}, key {row.key!r}"
        if attempt is None:
            yield Violation(Kind.UNCAUSED, where)
            continue
        count[row.actor, row.key] += 1
        if count[row.actor, row.key] > attempt.rows:
            yield Violation(Kind.TWICE, where)
        elif attempt.rows == 1 and _is_altered(row, attempt):
            yield Violation(Kind.ALTERED, where)
        if attempt.refused and attempt.sent == 1:
            yield Violation(Kind.REFUSED, where)


def _is_altered(row: Row, attempt: Attempt) -> bool:
    if (row.session, row.kind) != (attempt.session, attempt.kind):
        return True
    return attempt.data is not None and row.data != attempt.data


def _wrong_numbers(rows: Sequence[Row]) -> Iterator[Violation]:
    seqs: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        seqs[row.session].append(row.seq)
    for session, there in seqs.items():
        for seq in sorted(set(range(1, max(there) + 1)) - set(there)):
            yield Violation(Kind.HOLE, f"{session} #{seq}")
        for seq, times in Counter(there).items():
            if times > 1:
                yield Violation(Kind.TWICE, f"{session} #{seq}: a number used {times} times")


# -- what was shown ----------------------------------------------------------------------------


def _wrong_stream(stream: Stream, log: Log) -> Iterator[Violation]:
    name = f"{stream.user} on {stream.connection} in {stream.session}"
    for kind, seq in (*_wrong_order(stream, log), *_wrong_content(stream, log)):
        yield Violation(kind, f"{name} #{seq}")
    yield from (Violation(Kind.LEAKED, f"{name} #{seq}") for seq in _leaked(stream, log))


def _wrong_order(stream: Stream, log: Log) -> Iterator[tuple[Kind, int]]:
    due = stream.after + 1
    skipped: set[int] = set()
    for shown in stream.shown:
        if shown.seq >= due:
            skipped.update(range(due, shown.seq))
            due = shown.seq + 1
        elif shown.seq in skipped:
            skipped.remove(shown.seq)
            yield Kind.REORDERED, shown.seq
        else:
            yield Kind.DOUBLED, shown.seq
    if stream.lasted:
        skipped.update(range(due, max(log, default=0) + 1))
    yield from ((Kind.MISSING, seq) for seq in sorted(skipped))


def _wrong_content(stream: Stream, log: Log) -> Iterator[tuple[Kind, int]]:
    for shown in stream.shown:
        row = log.get(shown.seq)
        mine = shown.actor == stream.user
        if row is None:
            yield Kind.INVENTED, shown.seq
        elif shown != Shown(
            row.seq, row.kind, row.actor, row.data, (row.key or None) if mine else shown.key
        ):
            yield Kind.DIFFERENT, shown.seq
        if shown.key is not None and not mine:
            yield Kind.KEY_SHOWN, shown.seq


def _leaked(stream: Stream, log: Log) -> Iterator[int]:
    """What was shown without a right to it.

    Who takes part at the head of an answered watch may see all there is until they are removed:
    what came before they were added, too.
    """
    if not _takes_part(stream.user, stream.head, log):
        yield stream.head
        yield from (each.seq for each in stream.shown)
        return
    removed = (
        seq
        for seq, row in sorted(log.items())
        if seq > stream.head and _moves(row) == (stream.user, False)
    )
    end = next(removed, None)
    if end is not None:
        yield from (each.seq for each in stream.shown if each.seq > end)


def _takes_part(user: str, seq: int, log: Log) -> bool:
    there = False
    for each in range(1, seq + 1):
        moved = _moves(log[each]) if each in log else None
        if moved is not None and moved[0] == user:
            there = moved[1]
    return there


def _moves(row: Row) -> tuple[str, bool] | None:
    """Whom an event brings in (True) or out (False)."""
    match row.kind:
        case "session_created":
            return row.actor, True
        case "participant_added":
            return row.data["user"], True
        case "participant_removed":
            return row.data["user"], False
        case _:
            return None
