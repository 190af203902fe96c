"""What waits in a lane is one transaction, in which each write has a fate of its own."""

import asyncio
from collections.abc import Callable, Iterable
from typing import NoReturn
from uuid import uuid4

import pytest
from django.db import DataError
from django.test import override_settings

from flows.atoms.sessions import Committed, Created
from flows.errors import Forbidden, KeyConflict, SessionNotFound, UnknownUser
from flows.events import (
    Body,
    MessageSent,
    ParticipantAdded,
    ParticipantRemoved,
    Role,
    SessionCreated,
    SessionEnded,
)
from flows.session import Session
from sessions_app.adapters.statements import MOST_TEXT
from sessions_app.models import Receipt
from tests.sessions_app.adapters.nodes import ANN, BOB, CID, Begin, Node, Nodes, never, refuse

# -- group commit ----------------------------------------------------------------------------------


async def test_waiting_writes_are_one_transaction(
    lane: Node, caplog: pytest.LogCaptureFixture
) -> None:
    """All that waits in a lane is committed together, and announced together, in order."""
    id = await lane.begin()
    with override_settings(DEBUG=True), caplog.at_level("DEBUG", "django.db.backends"):
        done = await lane.together(id, *(lane.say(id, f"{number}") for number in range(50)))
    ends = [each.message for each in caplog.records if each.threadName == "lane-0"]
    # That of the write that held them up, and theirs.
    assert len([message for message in ends if "COMMIT" in message]) == 2
    assert done == [Committed(seq, duplicate=False) for seq in range(4, 54)]
    assert [len(each) for each in lane.announced] == [2, 1, 50]
    assert list(lane.announced[2]) == (await lane.events(id))[3:]
    await lane.require_sound(id)


async def test_most_writes(lane: Node) -> None:
    """A transaction takes so many writes and no more; the others have the next one."""
    id = await lane.begin()
    await lane.together(id, *(lane.say(id, f"{number}") for number in range(300)))
    assert [len(each) for each in lane.announced] == [2, 1, 256, 44]
    assert (await lane.require_sound(id)).seq == 303


#: What means something to SQL, to arrays of PostgreSQL, to formats or to JSON.
ODD = [
    "",
    "NULL",
    "it's",
    """"'{},;\\\\\n\t%s %% $1 {rows}""",
    "\\",
    "\\x41",
    "E'\\'';--",
    "Grüße \U0001f600 \u2028 \x01",
]


async def test_texts_are_stored_as_they_are(lane: Node) -> None:
    """No text means anything to the database, in a message as in a key."""
    id = await lane.begin()
    writes = [lane.say(id, text, key=f"k{index}{text}") for index, text in enumerate(ODD)]
    done = await lane.together(id, *writes)
    assert [each.seq for each in done] == list(range(4, 4 + len(ODD)))
    events = (await lane.events(id))[3:]
    assert [each.data["text"] for each in events] == ODD
    assert [each.key for each in events] == [f"k{index}{text}" for index, text in enumerate(ODD)]
    again = await lane.say(id, ODD[3], key=f"k3{ODD[3]}")
    assert again == Committed(7, duplicate=True)
    await lane.require_sound(id)


async def test_long_texts_of_one_batch(lane: Node) -> None:
    """More text than travels in one piece is stored all the same, in one transaction."""
    id = await lane.begin()
    texts = [letter * (MOST_TEXT // 3) for letter in "abcdefgh"]
    await lane.together(id, *(lane.say(id, text) for text in texts))
    assert [each.data["text"] for each in (await lane.events(id))[3:]] == texts
    assert len(lane.announced[-1]) == len(texts)
    await lane.require_sound(id)


async def test_sessions_of_one_batch(lane: Node) -> None:
    """A batch may write in many sessions, and begin some; each has its own order."""
    one, two = await lane.begin(), await lane.begin()
    new = uuid4()
    input = Begin(key="new")
    bodies: list[Body] = [SessionCreated("New", {}), ParticipantAdded("bob", Role.MEMBER)]
    done = await lane.together(
        one,
        lane.say(two, "a"),
        lane.log.create(input, by=CID, session_id=new, begin=lambda: bodies),
        lane.say(new, "b", by=BOB),
        lane.say(one, "c"),
        lane.log.create(input, by=CID, session_id=uuid4(), begin=lambda: bodies),
        lane.say(two, "d"),
    )
    assert done == [
        Committed(3, duplicate=False),
        Created(new, 2, duplicate=False),
        Committed(3, duplicate=False),
        Committed(4, duplicate=False),
        Created(new, 2, duplicate=True),
        Committed(4, duplicate=False),
    ]
    for id in (one, two, new):
        await lane.require_sound(id)


# -- one of many -----------------------------------------------------------------------------------


async def test_refused_among_others(lane: Node) -> None:
    """Who is refused, or crashes, or names nobody, is alone with it; the others have no holes."""
    id = await lane.begin()

    def crash(session: Session) -> Iterable[Body]:
        yield MessageSent("half")
        raise KeyError("crash")

    done = await lane.together(
        id,
        lane.say(id, "a"),
        lane.decide(id, refuse, key="refused"),
        lane.decide(id, crash, key="crashed"),
        lane.write(id, MessageSent("c"), ParticipantAdded("nobody", Role.MEMBER), key="nobody"),
        lane.decide(uuid4(), never, key="nowhere"),
        lane.write(id, MessageSent("\ud800"), key="not to be stored"),
        lane.say(id, "b"),
    )
    assert [done[0], done[-1]] == [Committed(4, duplicate=False), Committed(5, duplicate=False)]
    assert [type(each) for each in done[1:-1]] == [
        Forbidden,
        KeyError,
        UnknownUser,
        SessionNotFound,
        UnicodeEncodeError,
    ]
    events = await lane.events(id)
    assert [each.data.get("text") for each in events[3:]] == ["a", "b"]
    assert [len(each) for each in lane.announced] == [2, 1, 2]
    await lane.require_sound(id)
    for key in ("refused", "crashed", "nobody", "not to be stored"):  # and their keys are free
        assert not (await lane.say(id, "now", key=key)).duplicate


async def test_what_only_threads_fear(lane: Node) -> None:
    """A rule that raises what would end a thread, or a task, or keep it waiting, ends alone."""
    id = await lane.begin()

    def raising(error: BaseException) -> Callable[[Session], NoReturn]:
        def decide(session: Session) -> NoReturn:
            raise error

        return decide

    errors = [StopIteration(), asyncio.CancelledError()]
    tasks = [asyncio.create_task(lane.decide(id, raising(each))) for each in errors]
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in done] == [RuntimeError, asyncio.CancelledError]
    assert await lane.say(id, "on it goes") == Committed(3, duplicate=False)


async def test_only_the_guilty_fail(lane: Node) -> None:
    """What the database refuses fails alone: the others of its batch are tried without it."""
    id = await lane.begin()
    done = await lane.together(
        id,
        lane.say(id, "a"),
        lane.log.mark_seen(id, by=BOB, decide=lambda _: 2**63),  # more than a column holds
        lane.say(id, "b"),
        lane.log.mark_seen(id, by=BOB, decide=lambda _: 3),
    )
    assert [done[0], done[2], done[3]] == [
        Committed(4, duplicate=False),
        Committed(5, duplicate=False),
        True,
    ]
    assert isinstance(done[1], OverflowError | DataError)
    # Alone: each success is a transaction of its own, announced by itself.
    assert [len(each) for each in lane.announced] == [2, 1, 1, 1]
    assert await lane.cursors(id) == {"ann": 0, "bob": 3}
    assert [each.seq for each in await lane.events(id)] == [1, 2, 3, 4, 5]


async def test_an_id_twice(lane: Node) -> None:
    """A session that is there already does not begin again, be it as young as the batch."""
    id, new = await lane.begin(), uuid4()
    bodies = [SessionCreated("again", {})]
    done = await lane.together(
        id,
        *(
            lane.log.create(Begin(key=key), by=ANN, session_id=each, begin=lambda: bodies)
            for key, each in (("a", id), ("b", new), ("c", new))
        ),
    )
    assert [type(each) for each in done] == [ValueError, Created, ValueError]
    assert (await lane.require_sound(id)).title == "Roof repair"
    await lane.require_sound(new)
    assert await lane.stored(Receipt, key__in=["a", "c"]) == 0


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True, databases=["postgres"])
async def test_what_only_the_database_sees(postgres: str, node_of: Nodes) -> None:
    """A text that PostgreSQL cannot store is its author's fault only."""
    lane = node_of(postgres, lanes=1)
    id = await lane.begin()
    done = await lane.together(
        id,
        lane.say(id, "a"),
        lane.say(id, "\x00"),
        lane.say(id, "x", key="\x00"),
        lane.say(id, "b"),
    )
    assert [done[0], done[3]] == [Committed(4, duplicate=False), Committed(5, duplicate=False)]
    assert isinstance(done[1], Exception)
    assert isinstance(done[2], Exception)
    await lane.require_sound(id)


# -- keys ------------------------------------------------------------------------------------------


async def test_a_key_twice_in_one_batch(lane: Node) -> None:
    """Of equal writes that wait together the first is made, and the others get its result."""
    id = await lane.begin()
    done = await lane.together(
        id,
        lane.say(id, "a", key="k"),
        lane.decide(id, never, key="k"),
        lane.decide(id, never, key="k", note="other"),
        lane.say(id, "b", by=BOB, key="k"),
    )
    assert done[:2] == [Committed(4, duplicate=False), Committed(4, duplicate=True)]
    assert isinstance(done[2], KeyConflict)
    assert done[3] == Committed(5, duplicate=False)  # another's key
    assert (await lane.require_sound(id)).seq == 5


async def test_a_key_that_was_refused_in_the_same_batch(lane: Node) -> None:
    """A refused write leaves its key to the next one, be it in the same transaction."""
    id = await lane.begin()
    done = await lane.together(
        id, lane.decide(id, refuse, key="k"), lane.say(id, "a", key="k"), lane.say(id, "a", key="k")
    )
    assert isinstance(done[0], Forbidden)
    assert done[1:] == [Committed(4, duplicate=False), Committed(4, duplicate=True)]


async def test_receipts_first(lane: Node) -> None:
    """A repeated key is answered in the middle of a batch, before anybody asks for rights."""
    id = await lane.begin()
    first = await lane.say(id, "a", by=BOB, key="k")
    done = await lane.together(
        id,
        lane.write(id, ParticipantRemoved("bob"), SessionEnded()),
        lane.decide(id, never, by=BOB, key="k"),
    )
    assert done[1] == Committed(first.seq, duplicate=True)
    assert await lane.stored(Receipt, actor="bob", key="k") == 1
