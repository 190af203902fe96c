"""What a case expects, read from its words, and the judgement of what was seen. No I/O.

expect      = outcome { " or " outcome }
outcome     = error | "result" [...] | "stored and shown verbatim" | "watch refused" CODE
            | "batch:" error or result { ";" … } | "nothing" | "unanswered"
            | ["close"] NUMBER | "dropped"
            | "HTTP" STATUS{|STATUS} [CODE] ["at" PATH] | "exit" … | "sentence:" …
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias

__all__ = ["Expectation", "Outcome", "Seen", "Snapshot", "judge", "leaks", "parse"]

#: Everything stored that a refused write must leave alone, as whatever compares equal.
Snapshot: TypeAlias = object

#: The connection was cut, without a closing frame.
CUT = 1006


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one input has led to."""

    #: The frames that answer it, in order.
    replies: Sequence[Any] = ()
    #: Its ids, in order; None where it has none, or none that an answer could have.
    ids: Sequence[object] = (None,)
    #: Notifications that tell what somebody did, on its own connection and on those of others.
    told: Sequence[Any] = ()
    told_others: Sequence[Any] = ()
    #: The close code, if the connection ended, and whether it still answers, if not.
    close: int | None = None
    still_open: bool = True
    #: What was stored before and after.
    before: Snapshot = None
    after: Snapshot = None
    #: The first results of the keys it repeats, in order.
    firsts: Sequence[Any] = ()
    #: What was written and how reading shows it.
    written: object = None
    shown: object = None
    #: The status and the body of an answer over HTTP (also that to a handshake).
    status: int | None = None
    body: str = ""
    #: The exit status of a command, and what it has printed.
    exit: int | None = None
    output: str = ""
    #: What a check of its own, for a `sentence`, has found wrong.
    sentence: Sequence[str] | None = None


class Outcome(Protocol):
    """One of the answers that will do."""

    def problems(self, seen: Seen) -> list[str]:
        """What `seen` has that this outcome does not allow."""
        ...


@dataclass(frozen=True)
class Expectation:
    """The answers that will do, of which one is needed."""

    outcomes: tuple[Outcome, ...]

    def allows(self, kind: type[Outcome]) -> bool:
        """Whether an outcome of this kind is among them."""
        return any(isinstance(outcome, kind) for outcome in self.outcomes)

    @property
    def sentences(self) -> list[str]:
        """The checks of their own that are among them."""
        return [each.text for each in self.outcomes if isinstance(each, Sentence)]


def judge(expectation: Expectation, seen: Seen) -> list[str]:
    """Why `seen` is none of the answers that will do; empty if it is one, and clean."""
    found = [outcome.problems(seen) for outcome in expectation.outcomes]
    wrong = [] if [] in found else [problem for problems in found for problem in problems]
    return wrong + _always(seen)


def _always(seen: Seen) -> list[str]:
    """What must not be, whatever is expected."""
    wrong = []
    if seen.close == 1011:
        wrong.append("closed with 1011")
    if seen.status is not None and seen.status >= 500:
        wrong.append(f"HTTP {seen.status}")
    errors = [each for each in _flat(seen.replies) if "error" in each]
    refusal = seen.body if (seen.status or 0) >= 400 else ""
    for text in (*map(json.dumps, errors), refusal):
        wrong += [f"tells {leak!r}" for leak in leaks(text)]
    if "Traceback" in seen.output:
        wrong.append(f"prints a traceback: {seen.output}")
    for reply in _flat(seen.replies):
        wrong += _malformed(reply)
    return wrong


#: What only a traceback, a query or a file would say.
_INSIDE = re.compile(
    r'Traceback|File "|\bSELECT |\bINSERT |\bUPDATE |sessions_app_\w+|psycopg|sqlite3?\b'
    r"|/site-packages|\.py\b|/home/|a-secret-that|" + re.escape(str(Path.cwd()))
)


def leaks(text: str) -> list[str]:
    """The parts of `text` that tell of our inside."""
    return _INSIDE.findall(text)


def _flat(replies: Sequence[Any]) -> list[Any]:
    return [
        one for reply in replies for one in (reply if isinstance(reply, list) else [reply])
    ]  # fmt: skip


_ERROR_FIELDS = {"code", "message", "data"}


def _malformed(reply: Any) -> list[str]:
    """JSON-RPC 2.0, section 5, and protocol, section 6."""
    if reply.get("jsonrpc") != "2.0" or "id" not in reply:
        return [f"no JSON-RPC: {reply}"]
    if set(reply) == {"jsonrpc", "id", "result"}:
        return []
    if set(reply) != {"jsonrpc", "id", "error"} or set(reply["error"]) != _ERROR_FIELDS:
        return [f"neither a result nor an error: {reply}"]
    data = reply["error"]["data"]
    if not isinstance(data.get("retry"), bool) or data["retry"] != ("retry_after_ms" in data):
        return [f"no word on repeating it: {reply}"]
    return []


# -- the outcomes --------------------------------------------------------------------------------


def _unclosed(seen: Seen) -> list[str]:
    if seen.close is not None:
        return [f"closed with {seen.close}"]
    return [] if seen.still_open else ["the connection does not answer any more"]


def _untouched(seen: Seen) -> list[str]:
    wrong = []
    if seen.before != seen.after:
        wrong.append(f"stored something: {_difference(seen.before, seen.after)}")
    if seen.told or seen.told_others:
        wrong.append(f"told something: {[*seen.told, *seen.told_others]}")
    return wrong


def _difference(before: Snapshot, after: Snapshot) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        return str(
            {name: (before[name], after[name]) for name in before if before[name] != after[name]}
        )[:500]
    return f"{before} -> {after}"


def _one(seen: Seen) -> tuple[Any, list[str]]:
    if len(seen.replies) == 1 and isinstance(seen.replies[0], dict):
        return seen.replies[0], []
    return {}, [f"expected one reply, got {str(list(seen.replies))[:300]}"]


@dataclass(frozen=True)
class Error:
    """An error; nothing was stored, nobody was told, the connection goes on."""

    number: int
    code: str
    path: str | None = None
    null: bool = False

    def problems(self, seen: Seen) -> list[str]:
        reply, wrong = _one(seen)
        return [
            *(wrong or self.mismatches(reply, seen.ids[0])),
            *_untouched(seen),
            *_unclosed(seen),
        ]

    def mismatches(self, reply: Any, id_: object) -> list[str]:
        """What is not as it should be in `reply` itself."""
        error = reply.get("error") or {}
        data = error.get("data") or {}
        got = (error.get("code"), data.get("code"))
        wrong = [] if got == (self.number, self.code) else [f"expected {self}, got {reply}"]
        if self.path is not None and not _same_path(self.path, data.get("path")):
            wrong.append(f"expected the path {self.path}, got {error}")
        if self.code == "invalid_input" and not str(data.get("path", "")).startswith("$"):
            wrong.append(f"no path: {error}")
        # What is no JSON has no id that could be read.
        id_ = None if self.null or self.code == "parse_error" else id_
        if reply.get("id") != id_:
            wrong.append(f"expected the id {id_}, got {reply}")
        return wrong


def _same_path(expected: str, got: object) -> bool:
    # msgspec's word for the value of a dict, `[...]`, stands for any key.
    parts = [".*" if part == "..." else re.escape(part) for part in re.split(r"(\.\.\.)", expected)]
    return isinstance(got, str) and re.fullmatch("".join(parts), got) is not None


@dataclass(frozen=True)
class Result:
    """A result; with `duplicate`, the first one again, `empty`, without sessions."""

    duplicate: bool = False
    empty: bool = False

    def problems(self, seen: Seen) -> list[str]:
        reply, wrong = _one(seen)
        first = seen.firsts[0] if seen.firsts else None
        return [*(wrong or self.mismatches(reply, seen.ids[0], first)), *_unclosed(seen)]

    def mismatches(self, reply: Any, id_: object, first: Any = None) -> list[str]:
        """What is not as it should be in `reply` itself."""
        if "result" not in reply:
            return [f"expected a result, got {str(reply)[:300]}"]
        wrong = [] if reply.get("id") == id_ else [f"expected the id {id_}, got {reply}"]
        if self.duplicate and reply["result"] != {**(first or {}), "duplicate": True}:
            wrong.append(f"expected {first} again, got {reply['result']}")
        if self.empty and reply["result"].get("sessions") != []:
            wrong.append(f"expected no sessions, got {str(reply)[:300]}")
        return wrong


@dataclass(frozen=True)
class Verbatim:
    """A result, and reading gives back what was written, character for character."""

    def problems(self, seen: Seen) -> list[str]:
        wrong = Result().problems(seen)
        if not wrong and (seen.written is None or seen.written != seen.shown):
            wrong.append(f"expected {seen.written!r} to be shown, got {seen.shown!r}")
        return wrong


@dataclass(frozen=True)
class WatchRefused:
    """An entry of `refused`, or an error; no events come."""

    code: str

    def problems(self, seen: Seen) -> list[str]:
        reply, wrong = _one(seen)
        result = reply.get("result", {})
        codes = [each["code"] for each in result.get("refused", ())]
        if "error" in reply:
            codes = [reply["error"]["data"]["code"]]
        if codes != [self.code] or result.get("watching"):
            wrong.append(f"expected it to be refused with {self.code}, got {reply}")
        return [*wrong, *_untouched(seen), *_unclosed(seen)]


@dataclass(frozen=True)
class Batch:
    """An array with these replies, in any order; those with an id are matched by it."""

    parts: tuple[Error | Result, ...]

    def problems(self, seen: Seen) -> list[str]:
        array = seen.replies[0] if seen.replies else None
        if len(seen.replies) != 1 or not isinstance(array, list):
            return [f"expected one array, got {str(list(seen.replies))[:300]}"]
        if len(array) != len(self.parts):
            return [f"expected {len(self.parts)} replies, got {array}"]
        wrong = _unclosed(seen)
        if not any(isinstance(part, Result) for part in self.parts):
            wrong += _untouched(seen)
        left = list(array)
        firsts: list[Any] = list(seen.firsts)
        for part, id_ in zip(self.parts, seen.ids, strict=True):
            wanted = None if isinstance(part, Error) and part.null else id_
            reply = next((each for each in left if each["id"] == wanted), None)
            if reply is None:
                wrong.append(f"no reply for {wanted}: {array}")
                continue
            left.remove(reply)
            if isinstance(part, Result):
                wrong += part.mismatches(reply, id_, firsts[0] if firsts else None)
                firsts.append(reply.get("result"))
            else:
                wrong += part.mismatches(reply, id_)
        return wrong


@dataclass(frozen=True)
class Nothing:
    """No reply; nothing was stored, nobody was told, the connection goes on."""

    def problems(self, seen: Seen) -> list[str]:
        wrong = [f"expected no reply, got {seen.replies[0]}"] if seen.replies else []
        return [*wrong, *_untouched(seen), *_unclosed(seen)]


@dataclass(frozen=True)
class Close:
    """The connection is closed with this code, maybe after replies to what came before."""

    code: int

    def problems(self, seen: Seen) -> list[str]:
        if seen.close != self.code:
            return [f"expected to be closed with {self.code}, got {_ending(seen)}"]
        return _untouched(seen)


@dataclass(frozen=True)
class Dropped:
    """The connection ends by itself, with whatever code."""

    def problems(self, seen: Seen) -> list[str]:
        if seen.close is None:
            return [f"expected the connection to end, got {_ending(seen)}"]
        return _untouched(seen)


def _ending(seen: Seen) -> str:
    replies = f" after {str(list(seen.replies))[:300]}" if seen.replies else ""
    if seen.close is not None:
        return f"{seen.close}{replies}"
    return f"HTTP {seen.status} {seen.body[:200]}" if seen.status else f"an open one{replies}"


@dataclass(frozen=True)
class Unanswered:
    """Neither an answer nor an end: the server goes on waiting."""

    def problems(self, seen: Seen) -> list[str]:
        if seen.replies or seen.close is not None or seen.status is not None:
            return [f"expected no answer, got {_ending(seen)}"]
        return _untouched(seen)


@dataclass(frozen=True)
class Http:
    """An answer over HTTP; nothing was stored, unless it is a good one."""

    statuses: frozenset[int]
    code: str | None = None
    path: str | None = None

    def problems(self, seen: Seen) -> list[str]:
        if seen.status not in self.statuses:
            return [f"expected HTTP {sorted(self.statuses)}, got {_ending(seen)}"]
        wrong = _untouched(seen)
        if self.code is not None:
            error = json.loads(seen.body)["error"]
            if error["data"]["code"] != self.code:
                wrong.append(f"expected {self.code}, got {error}")
            if self.path is not None and not _same_path(self.path, error["data"].get("path")):
                wrong.append(f"expected the path {self.path}, got {error}")
        return wrong


@dataclass(frozen=True)
class Exit:
    """A command fails with something for people to read, and has changed nothing."""

    text: str
    LINES: ClassVar[int] = 12

    def problems(self, seen: Seen) -> list[str]:
        failing = self.text.startswith("not 0")
        wrong = [] if (seen.exit != 0) == failing else [f"exit {seen.exit}: {seen.output}"]
        if "Unknown command" in seen.output:
            wrong.append(f"there is no such command: {seen.output}")
        lines = seen.output.strip().splitlines()
        if failing and not 0 < len(lines) <= self.LINES:
            wrong.append(f"not one clear line: {seen.output}")
        named = re.search(r"names (\S+?)(,|$)", self.text)
        if named and named[1] not in seen.output:
            wrong.append(f"does not name {named[1]}: {seen.output}")
        return [*wrong, *(_untouched(seen) if failing else [])]


@dataclass(frozen=True)
class Sentence:
    """A check of its own."""

    text: str

    def problems(self, seen: Seen) -> list[str]:
        return [f"not checked: {self.text}"] if seen.sentence is None else list(seen.sentence)


# -- reading -------------------------------------------------------------------------------------

_ERROR = re.compile(r"error (-\d+) (\w+)(?: at (\S+))?( id null)?")
_HTTP = re.compile(r"HTTP ([\d|]+)(?: (\w+))?(?: at (\S+))?")
_CLOSE = re.compile(r"(?:close )?(\d{4})")
_SIMPLE: dict[str, Outcome] = {
    "result": Result(),
    "result duplicate": Result(duplicate=True),
    "result without sessions": Result(empty=True),
    "stored and shown verbatim": Verbatim(),
    "nothing": Nothing(),
    "dropped": Dropped(),
    "unanswered": Unanswered(),
}


def parse(text: str) -> Expectation:
    """Read the words of an `expect`; raises ValueError for those it does not know."""
    before, sentence, rest = text.partition("sentence: ")
    parts = [part.strip() for part in re.split(r"\s+or\s+", before) if part.strip()]
    outcomes = [_outcome(part) for part in parts]
    if not outcomes and not sentence:
        raise ValueError("What does an empty text expect?")
    return Expectation((*outcomes, Sentence(rest)) if sentence else tuple(outcomes))


def _outcome(text: str) -> Outcome:
    if text in _SIMPLE:
        return _SIMPLE[text]
    if text.startswith("batch: "):
        return Batch(tuple(map(_part, text.removeprefix("batch: ").split("; "))))
    if text.startswith("watch refused "):
        return WatchRefused(text.removeprefix("watch refused "))
    if text.startswith("exit "):
        return Exit(text.removeprefix("exit "))
    if found := _HTTP.fullmatch(text):
        return Http(frozenset(map(int, found[1].split("|"))), found[2], found[3])
    if found := _CLOSE.fullmatch(text):
        return Close(int(found[1]))
    return _part(text)


def _part(text: str) -> Error | Result:
    simple = _SIMPLE.get(text)
    if isinstance(simple, Result):
        return simple
    if found := _ERROR.fullmatch(text):
        return Error(int(found[1]), found[2], found[3], found[4] is not None)
    raise ValueError(f"What does {text!r} expect?")
