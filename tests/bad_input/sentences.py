"""The checks of their own: what must be true after a sequence, or of an answer over HTTP."""

import html
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from tests.bad_input import catalogue
from tests.bad_input.raw import Answer
from tests.bad_input.stage import Stage
from tests.servers import ROOT
from tests.wire import Client


@dataclass
class Play:
    """What has happened in a sequence so far."""

    stage: Stage
    #: What was stored before its first step.
    ledger: Mapping[str, Any]
    #: By role, on the connection of the sequence.
    clients: dict[str, Client] = field(default_factory=dict)
    replies: list[Any] = field(default_factory=list)
    #: The first result of each key, by role and key.
    firsts: dict[tuple[str, str], Any] = field(default_factory=dict)
    #: The log as it is after the last step.
    log: list[dict[str, Any]] = field(default_factory=list)

    @property
    def new(self) -> list[dict[str, Any]]:
        """The events of the session since the case began."""
        return self.log[self.stage.head :]

    def codes(self) -> set[str]:
        """The codes of the errors that were answered."""
        return {each["error"]["data"]["code"] for each in self.replies if "error" in each}


Check: TypeAlias = Callable[[Play], Awaitable[bool]]


async def after_sequence(play: Play, sentence: str) -> list[str]:
    """What is wrong after the last step: `sentence`, or what the member was told of it all."""
    check = AFTER_SEQUENCE[sentence]
    play.log = await play.stage.log()
    wrong = [] if await check(play) else [f"not true: {sentence}; the log is {play.log}"]
    return wrong + await _member_was_told(play)


async def _member_was_told(play: Play) -> list[str]:
    """Who watches was told of every event once and in order, as long as they took part."""
    stage = play.stage
    logged = [each["seq"] for each in play.new]
    removed = [each["seq"] for each in play.new if each["kind"] == "participant_removed"]
    if not removed and logged:
        await stage.member.has_events(stage.session, logged[-1])
    told = stage.member.seqs(stage.session)
    # The event of their own removal may or may not reach them; no later one does.
    allowed = (
        [logged] if not removed else [logged[: logged.index(removed[0]) + more] for more in (0, 1)]
    )
    return [] if told in allowed else [f"the member was told of {told}, the log has {logged}"]


async def _nothing(play: Play) -> bool:
    return True


async def _closed_4515(play: Play) -> bool:
    return await play.clients["owner"].ended() == 4515


async def _closed_4515_or_4029(play: Play) -> bool:
    return await play.clients["owner"].ended() in {4515, 4029}


async def _rate_limited(play: Play) -> bool:
    return "rate_limited" in play.codes() or play.clients["owner"].close_code == 4029


async def _open(play: Play) -> bool:
    await play.clients["owner"].settle()
    return True


async def _alike(play: Play) -> bool:
    one, other = ({**reply, "id": None} for reply in play.replies)
    return one == other


async def _alike_but_for_session(play: Play) -> bool:
    refusals = [reply["result"]["refused"] for reply in play.replies]
    one, other = ([{**each, "session_id": None} for each in refused] for refused in refusals)
    return one == other


async def _each_event_once(play: Play) -> bool:
    """Watching again begins again; from there on, all that is in the log comes once."""
    owner, session = play.clients["owner"], play.stage.session
    last = len(play.log)
    await owner.has_events(session, last)
    await owner.settle()
    second_watch = owner.frames.index(play.replies[1])
    return (
        owner.seqs(session, second_watch) == list(range(1, last + 1))
        and owner.seqs(session).count(last) == 1
    )


async def _none_new(play: Play) -> bool:
    return play.new == []


async def _one_new(play: Play) -> bool:
    return len(play.new) == 1


async def _two_new(play: Play) -> bool:
    return len(play.new) == 2


async def _first_text(play: Play) -> bool:
    return [each["data"]["text"] for each in play.new] == ["a"]


async def _one_in_each_at_most(play: Play) -> bool:
    other = await play.stage.log(str(play.stage.values["other_session"]))
    written = [sum(each["kind"] == "message_sent" for each in log) for log in (play.log, other)]
    return written == [1, 0]


async def _same_seq(play: Play) -> bool:
    results = [reply["result"] for reply in play.replies]
    return (
        len(play.new) == 1
        and {result["seq"] for result in results} == {play.new[0]["seq"]}
        and sum(not result["duplicate"] for result in results) == 1
    )


async def _one_message(play: Play) -> bool:
    return [each["kind"] for each in play.new].count("message_sent") == 1


async def _ends_ended(play: Play) -> bool:
    return [each["kind"] for each in play.log[-1:]] == ["session_ended"]


async def _ended_once(play: Play) -> bool:
    return [each["kind"] for each in play.new] == ["session_ended"]


async def _one_session(play: Play) -> bool:
    return bool(play.stage.ledger()["sessions"] == play.ledger["sessions"] + 1)


async def _removed_hear_nothing(play: Play) -> bool:
    removal = play.replies[0]["result"]["seq"]
    seq = await play.stage.owner.write(play.stage.session, "They are gone")
    await play.stage.owner.settle()
    await play.stage.member.settle()
    seqs = play.stage.member.seqs(play.stage.session)
    play.log = await play.stage.log()
    return seq == removal + 1 and all(each <= removal for each in seqs)


async def _unwatched(play: Play) -> bool:
    owner = play.clients["owner"]
    await owner.settle()
    return play.new[-1]["seq"] not in owner.seqs(play.stage.session)


async def _cursor_stays(play: Play) -> bool:
    snapshot = await play.stage.owner.call("get_session", session_id=play.stage.session)
    owner = play.stage.people["owner"].name
    return [each["seen"] for each in snapshot["participants"] if each["user"] == owner] == [2]


AFTER_SEQUENCE: dict[str, Check] = {
    "": _nothing,
    "close 4515": _closed_4515,
    "close 4515 or 4029": _closed_4515_or_4029,
    "rate limited or closed": _rate_limited,
    "the socket stays open": _open,
    "both replies are equal except for the id": _alike,
    "both replies are equal except for id and session_id": _alike_but_for_session,
    "every event comes once": _each_event_once,
    "no event": _none_new,
    "one event": _one_new,
    "two events": _two_new,
    "one event, with the first text": _first_text,
    "one event in each session at most": _one_in_each_at_most,
    "one event; all twenty answers name the same seq": _same_seq,
    "one message in the log": _one_message,
    "one of the two is stored": _one_message,
    "the log ends with session_ended": _ends_ended,
    "one session_ended event": _ended_once,
    "one session": _one_session,
    "nothing after its removal reaches the removed member": _removed_hear_nothing,
    "no event reaches this connection": _unwatched,
    "the cursor is where it was": _cursor_stays,
}


# -- of answers ----------------------------------------------------------------------------------


def slow_headers_are_documented() -> list[str]:
    """Servers wait for a half-sent request; whoever sets one up is told what to do about it."""
    readme = Path(ROOT / "README.md").read_text()
    told = "timeout for request headers" in readme
    return [] if told else ["the README has no word on a timeout for request headers"]


def no_foreign_origin(answer: Answer) -> list[str]:
    """No page of another origin is allowed to read the answer."""
    allowed = answer.headers.get("access-control-allow-origin")
    return [] if allowed is None else [f"allows {allowed}"]


def all_escaped(answer: Answer) -> list[str]:
    """No page has what the members wrote as HTML."""
    return [f"not escaped: {text}" for text in hostile_texts() if text in answer.body]


def all_shown(answer: Answer) -> list[str]:
    """The page has all that the members wrote, as text."""
    texts = [text for text in hostile_texts() if html.escape(text) not in answer.body]
    return [f"not shown: {text}" for text in texts] + all_escaped(answer)


ABOUT_ANSWER: dict[str, Callable[[Answer], list[str]]] = {
    "no Access-Control-Allow-Origin for the evil origin": no_foreign_origin,
    "every literal-text-xss value is escaped in the page": all_escaped,
}


def hostile_texts() -> list[str]:
    """The texts of the catalogue that are HTML."""
    texts = [
        case.what["params"]["text"]
        for case in catalogue.of("text")
        if case.name.startswith("literal-text-")
    ]
    return [text for text in texts if "<" in text]


async def write_hostile_texts(stage: Stage) -> None:
    """Have them all in the log."""
    for text in hostile_texts():
        await stage.owner.write(stage.session, text)
